# Completion of attestctl(1). Written by scripts/gen-docs.
declare -gA _attestctl_subs=(
    ['attestctl']='inspect verify bundle collateral eventlog measure quote policy audit secret store provision run deliver status doctor'
    ['attestctl collateral']='fetch show bundle'
    ['attestctl eventlog']='replay'
    ['attestctl measure']='snp'
    ['attestctl policy']='check explain init'
    ['attestctl audit']='verify'
    ['attestctl secret']='get put rm rotate list'
    ['attestctl store']='slots add-slot drop-slot recovery-key'
    ['attestctl provision']='request seal accept hand-over'
)
declare -gA _attestctl_options=(
    ['attestctl']='-h --help --version'
    ['attestctl inspect']='-h --help --endorsements --json --html'
    ['attestctl verify']='-h --help --endorsements --trust-anchor --at --policy --report-data --service-manifest --event-log --tpm-quote --td-quote --fetch --cache --pccs --kds --update --tcb-evaluation-data-number --fetch-config --json --html'
    ['attestctl bundle']='-h --help --endorsements --tpm-quote --td-quote --event-log --trust-anchor --at --fetch --cache --pccs --kds --update --tcb-evaluation-data-number --fetch-config -o --output'
    ['attestctl collateral']='-h --help'
    ['attestctl collateral fetch']='-h --help --cache --pccs --kds --update --tcb-evaluation-data-number --fetch-config --trust-anchor --endorsements --fmspc --tee --ca --product --always --json'
    ['attestctl collateral show']='-h --help --cache --pccs --kds --update --tcb-evaluation-data-number --fetch-config --trust-anchor --at --json'
    ['attestctl collateral bundle']='-h --help --cache --pccs --kds --update --tcb-evaluation-data-number --fetch-config --trust-anchor -o --output'
    ['attestctl eventlog']='-h --help'
    ['attestctl eventlog replay']='-h --help --quote --json'
    ['attestctl measure']='-h --help'
    ['attestctl measure snp']='-h --help --ovmf --vcpus --vcpu-type --vcpu-sig --vmm-type --kernel --initrd --append --guest-features --svsm --vars-size --vars-file --svsm-fcw --json --policy'
    ['attestctl quote']='-h --help --report-data -o --output --json --socket --platform'
    ['attestctl policy']='-h --help'
    ['attestctl policy check']='-h --help --root --live --admin-socket --json'
    ['attestctl policy explain']='-h --help --caller --secret --listener --admin-socket --json'
    ['attestctl policy init']='-h --help --from-evidence --endorsements --trust-anchor --event-log --at -o --output'
    ['attestctl audit']='-h --help'
    ['attestctl audit verify']='-h --help --holds'
    ['attestctl secret']='-h --help --socket --admin-socket'
    ['attestctl secret get']='-h --help'
    ['attestctl secret put']='-h --help'
    ['attestctl secret rm']='-h --help'
    ['attestctl secret rotate']='-h --help --len --alphabet --value'
    ['attestctl secret list']='-h --help --source --json'
    ['attestctl store']='-h --help'
    ['attestctl store slots']='-h --help --admin-socket --source --store --json'
    ['attestctl store add-slot']='-h --help --public-key --admin-socket --source --store --recovery-key --platform --measured-image'
    ['attestctl store drop-slot']='-h --help --admin-socket --source --store --recovery-key --platform --measured-image'
    ['attestctl store recovery-key']='-h --help --algorithm'
    ['attestctl provision']='-h --help --admin-socket'
    ['attestctl provision request']='-h --help -o --output --valid-for --machine'
    ['attestctl provision seal']='-h --help --policy --endorsements --trust-anchor --allow-test --at --fetch --cache --pccs --kds --update --tcb-evaluation-data-number --fetch-config -o --output'
    ['attestctl provision accept']='-h --help --replace --source'
    ['attestctl provision hand-over']='-h --help -o --output --source'
    ['attestctl run']='-h --help --secret --fd --wait --socket'
    ['attestctl deliver']='-h --help --secret --file --mode --template --on-change --once --wait --keep --socket'
    ['attestctl status']='-h --help --socket --json'
    ['attestctl doctor']='-h --help --json'
)
# Whose arguments are files, and whose are of a few words.
declare -gA _attestctl_files=(
    ['attestctl inspect']=1
    ['attestctl verify']=1
    ['attestctl bundle']=1
    ['attestctl collateral fetch']=1
    ['attestctl collateral show']=1
    ['attestctl collateral bundle']=1
    ['attestctl eventlog replay']=1
    ['attestctl policy check']=1
    ['attestctl audit verify']=1
    ['attestctl secret put']=1
    ['attestctl store recovery-key']=1
    ['attestctl provision seal']=1
    ['attestctl provision accept']=1
    ['attestctl provision hand-over']=1
)
declare -gA _attestctl_args=(
    ['attestctl store add-slot']='recovery snp vtpm remote'
)
# Values of options: of a few words, files, or anything.
declare -gA _attestctl_choices=(
    ['attestctl bundle --update']='standard early'
    ['attestctl collateral bundle --update']='standard early'
    ['attestctl collateral fetch --ca']='platform processor'
    ['attestctl collateral fetch --tee']='tdx sgx'
    ['attestctl collateral fetch --update']='standard early'
    ['attestctl collateral show --update']='standard early'
    ['attestctl provision seal --update']='standard early'
    ['attestctl secret rotate --alphabet']='bytes hex base64url alphanumeric digits'
    ['attestctl store recovery-key --algorithm']='x25519 p256'
    ['attestctl verify --update']='standard early'
)
_attestctl_file_options=' --admin-socket --cache --endorsements --event-log --fetch-config --file --from-evidence --html --initrd --kernel --output --ovmf --policy --public-key --quote --recovery-key --root --service-manifest --socket --store --svsm --td-quote --template --tpm-quote --trust-anchor --value --vars-file -o '
_attestctl_value_options=' --admin-socket --algorithm --alphabet --append --at --ca --cache --caller --endorsements --event-log --fd --fetch-config --file --fmspc --from-evidence --guest-features --holds --html --initrd --kds --kernel --len --listener --machine --mode --on-change --output --ovmf --pccs --platform --policy --product --public-key --quote --recovery-key --report-data --root --secret --service-manifest --socket --source --store --svsm --svsm-fcw --tcb-evaluation-data-number --td-quote --tee --template --tpm-quote --trust-anchor --update --valid-for --value --vars-file --vars-size --vcpu-sig --vcpu-type --vcpus --vmm-type --wait -o '

_attestctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev= path=attestctl word i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == -- ]]; then
            compopt -o default 2>/dev/null
            return
        fi
        if [[ $_attestctl_value_options != *" $prev "* && " ${_attestctl_subs[$path]-} " == *" $word "* ]]; then
            path="$path $word"
        fi
        prev=$word
    done
    if [[ -n ${_attestctl_choices[$path $prev]-} ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${_attestctl_choices[$path $prev]}" -- "$cur")
    elif [[ $_attestctl_file_options == *" $prev "* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    elif [[ $_attestctl_value_options == *" $prev "* ]]; then
        return
    elif [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${_attestctl_options[$path]-}" -- "$cur")
    elif [[ -n ${_attestctl_subs[$path]-}${_attestctl_args[$path]-} ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${_attestctl_subs[$path]-} ${_attestctl_args[$path]-}" -- "$cur")
    elif [[ -n ${_attestctl_files[$path]-} ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -F _attestctl attestctl
