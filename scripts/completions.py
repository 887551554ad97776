"""Shell completions for attestctl, made from its tree of commands and options."""
from cli_help import FILES, POSITIONAL_FILES, walk

HEAD = "Completion of attestctl(1). Written by scripts/gen-docs."


def takes_files(command):
    return any(p.names[0] in POSITIONAL_FILES for p in command.positionals)


def bash(tree):
    tables = {"SUBS": [], "OPTIONS": [], "FILES": [], "ARGS": []}
    choices, file_options, value_options = {}, set(), set()
    for command in walk(tree):
        key = " ".join(("attestctl",) + command.path)
        if command.subcommands:
            tables["SUBS"].append(f"    ['{key}']='{' '.join(s.path[-1] for s in command.subcommands)}'")
        tables["OPTIONS"].append(f"    ['{key}']='{' '.join(n for o in command.options for n in o.names)}'")
        if takes_files(command):
            tables["FILES"].append(f"    ['{key}']=1")
        for positional in command.positionals:
            if positional.choices:
                tables["ARGS"].append(f"    ['{key}']='{' '.join(positional.choices)}'")
        for option in command.options:
            for name in option.names if option.takes else []:
                value_options.add(name)
                if option.choices:
                    choices[f"{key} {name}"] = " ".join(option.choices)
                elif option.metavar in FILES:
                    file_options.add(name)
    table = lambda name: "\n".join(tables[name])
    chosen = "\n".join(f"    ['{k}']='{v}'" for k, v in sorted(choices.items()))
    return f"""# {HEAD}
declare -gA _attestctl_subs=(
{table("SUBS")}
)
declare -gA _attestctl_options=(
{table("OPTIONS")}
)
# Whose arguments are files, and whose are of a few words.
declare -gA _attestctl_files=(
{table("FILES")}
)
declare -gA _attestctl_args=(
{table("ARGS")}
)
# Values of options: of a few words, files, or anything.
declare -gA _attestctl_choices=(
{chosen}
)
_attestctl_file_options=' {" ".join(sorted(file_options))} '
_attestctl_value_options=' {" ".join(sorted(value_options))} '

_attestctl() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev= path=attestctl word i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        if [[ $word == -- ]]; then
            compopt -o default 2>/dev/null
            return
        fi
        if [[ $_attestctl_value_options != *" $prev "* && " ${{_attestctl_subs[$path]-}} " == *" $word "* ]]; then
            path="$path $word"
        fi
        prev=$word
    done
    if [[ -n ${{_attestctl_choices[$path $prev]-}} ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${{_attestctl_choices[$path $prev]}}" -- "$cur")
    elif [[ $_attestctl_file_options == *" $prev "* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    elif [[ $_attestctl_value_options == *" $prev "* ]]; then
        return
    elif [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${{_attestctl_options[$path]-}}" -- "$cur")
    elif [[ -n ${{_attestctl_subs[$path]-}}${{_attestctl_args[$path]-}} ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${{_attestctl_subs[$path]-}} ${{_attestctl_args[$path]-}}" -- "$cur")
    elif [[ -n ${{_attestctl_files[$path]-}} ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}}
complete -F _attestctl attestctl
"""


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def zsh_option(option):
    meaning = option.meaning.replace("\\", "\\\\").replace("[", "(").replace("]", ")").replace(":", "\\:")
    value = ""
    if option.takes:
        action = "(" + " ".join(option.choices) + ")" if option.choices else \
            "_files" if option.metavar in FILES else " "
        value = f":{option.metavar}:{action}"
    return [quoted(("*" if option.repeated else "") + f"{name}[{meaning}]{value}") for name in option.names]


def zsh_positional(positional):
    action = "(" + " ".join(positional.choices) + ")" if positional.choices else \
        "_files" if positional.names[0] in POSITIONAL_FILES else " "
    return quoted(f"{'*' if positional.repeated else ''}:{positional.names[0]}:{action}")


def zsh(tree):
    out = [f"#compdef attestctl\n# {HEAD}\n"]
    for command in walk(tree):
        name = "_attestctl" + "".join("_" + p.replace("-", "_") for p in command.path)
        specs = [s for o in command.options for s in zsh_option(o)]
        if command.subcommands:
            subs = "\n".join(f"        {quoted(s.path[-1] + ':' + s.meaning.replace(':', chr(92) + ':'))}"
                             for s in command.subcommands)
            cases = "\n".join(f"        {s.path[-1]}) {name}_{s.path[-1].replace('-', '_')} ;;"
                              for s in command.subcommands)
            lines = " \\\n        ".join(specs + ["'1: :->command'", "'*:: :->arguments'"])
            out.append(f"""{name}() {{
    local curcontext=$curcontext state line
    local -a commands=(
{subs}
    )
    _arguments -C \\
        {lines}
    case $state in
    command) _describe command commands ;;
    arguments)
        case $line[1] in
{cases}
        esac ;;
    esac
}}
""")
        else:
            lines = " \\\n        ".join(specs + [zsh_positional(p) for p in command.positionals])
            out.append(f"{name}() {{\n    _arguments -s \\\n        {lines}\n}}\n")
    return "\n".join(out) + '\n_attestctl "$@"\n'


def fish(tree):
    out = [f"# {HEAD}", "complete -c attestctl -f"]
    for command in walk(tree):
        seen = [f"__fish_seen_subcommand_from {p}" for p in command.path]
        # "verify" is a command, and one of the group "audit".
        others = [c.path[0] for c in walk(tree) if len(c.path) == 2 and c.path[1:] == command.path]
        if others:
            seen.append(f"not __fish_seen_subcommand_from {' '.join(others)}")
        if command.subcommands:
            names = " ".join(s.path[-1] for s in command.subcommands)
            here = "; and ".join(seen + [f"not __fish_seen_subcommand_from {names}"])
            for sub in command.subcommands:
                out.append(f"complete -c attestctl -n {quoted(here)} -a {sub.path[-1]} -d {quoted(sub.meaning)}")
        condition = "; and ".join(seen) or "__fish_use_subcommand"
        for option in command.options:
            names = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in option.names)
            value = ""
            if option.takes:
                value = f" -xa {quoted(' '.join(option.choices))}" if option.choices else \
                    " -rF" if option.metavar in FILES else " -x"
            out.append(f"complete -c attestctl -n {quoted(condition)} {names}{value} -d {quoted(option.meaning)}")
        for positional in command.positionals:
            if positional.choices:
                out.append(f"complete -c attestctl -n {quoted(condition)} -a {quoted(' '.join(positional.choices))}")
        if takes_files(command) or command.path == ("run",):
            out.append(f"complete -c attestctl -n {quoted(condition)} -F")
    return "\n".join(out) + "\n"


FILES_OF_SHELLS = {"attestctl.bash": bash, "_attestctl": zsh, "attestctl.fish": fish}
