#include "config/lint.h"

#include <fmt/format.h>

#include <algorithm>

namespace attestd {
namespace {

constexpr uid_t kNobodyUid = 65534;
constexpr mode_t kOthersMayConnect = 0002;
constexpr mode_t kGroupMayConnect = 0020;

using Findings = std::vector<LintFinding>;

bool has_id(const std::vector<std::string>& ids, const std::string& id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
}

std::string rule_place(const Workload& workload, std::size_t rule) {
    return fmt::format("workloads.{}.match[{}]", workload.id, rule);
}

template <class T>
bool asks_at_least(const std::optional<T>& more, const std::optional<T>& less) {
    return !less || more == less;
}

bool unit_within(const std::optional<UnitPattern>& more, const std::optional<UnitPattern>& less) {
    if (!less) return true;
    if (!more) return false;
    if (!more->any_instance) return less->matches(more->name);
    return less->any_instance && less->name == more->name && less->suffix == more->suffix;
}

// Whether every caller that `more` matches is matched by `less` too. Says no for what it does not
// know.
bool implies(const MatchItem& more, const MatchItem& less) {
    return asks_at_least(more.uid, less.uid) && asks_at_least(more.gid, less.gid) &&
           asks_at_least(more.group_id, less.group_id) && unit_within(more.unit, less.unit) &&
           asks_at_least(more.slice, less.slice) &&
           asks_at_least(more.container_id, less.container_id) &&
           asks_at_least(more.pod_uid, less.pod_uid) && asks_at_least(more.selinux, less.selinux) &&
           asks_at_least(more.apparmor, less.apparmor) && asks_at_least(more.socket, less.socket) &&
           asks_at_least(more.exe_sha256, less.exe_sha256) &&
           asks_at_least(more.exe_verity, less.exe_verity) &&
           asks_at_least(more.exe_path, less.exe_path) && more.init_pidns >= less.init_pidns &&
           more.init_userns >= less.init_userns && more.allow_unlinked <= less.allow_unlinked;
}

bool is_always(const Workload& workload, const Workload& other) {
    if (workload.allow_root && !other.allow_root) return false;
    return std::all_of(workload.match.begin(), workload.match.end(), [&](const MatchItem& rule) {
        return std::any_of(other.match.begin(), other.match.end(),
                           [&](const MatchItem& wider) { return implies(rule, wider); });
    });
}

bool is_place_bound(const MatchItem& rule) noexcept {
    return rule.unit || rule.slice || rule.container_id || rule.pod_uid || rule.selinux ||
           rule.apparmor || rule.socket || rule.needs_inspection();
}

// Known by its uid alone: a gid or group beside it narrows nothing that the uid's owner cannot
// have.
bool is_uid_only(const MatchItem& rule) noexcept { return rule.uid && !is_place_bound(rule); }

const Workload* workload_called(const Config& config, const std::string& id) {
    const auto it = std::find_if(config.workloads.begin(), config.workloads.end(),
                                 [&](const Workload& w) { return w.id == id; });
    return it == config.workloads.end() ? nullptr : &*it;
}

// Another workload that every process of this uid is.
const Workload* other_with_uid(const Config& config, const Workload& self, uid_t uid) {
    for (const Workload& other : config.workloads) {
        if (&other == &self) continue;
        const bool has = std::any_of(
            other.match.begin(), other.match.end(),
            [&](const MatchItem& rule) { return is_uid_only(rule) && *rule.uid == uid; });
        if (has) return &other;
    }
    return nullptr;
}

bool is_open_to_others(const Config& config, const std::string& listener) {
    return std::any_of(
        config.listeners.begin(), config.listeners.end(), [&](const ListenerConfig& l) {
            return l.name == listener && (l.loopback_tcp || (l.mode & kOthersMayConnect) != 0);
        });
}

void lint_listeners(const Config& config, Findings& out) {
    for (const ListenerConfig& listener : config.listeners) {
        const std::string where = "listeners." + listener.name;
        if (listener.loopback_tcp) {
            out.push_back({"listener.tcp", where,
                           "every process that reaches the port is whatever workload has a rule "
                           "for this socket; a Unix socket tells callers apart"});
        }
        const bool others = (listener.mode & kOthersMayConnect) != 0;
        if (listener.kind == ListenerKind::workloads && others) {
            out.push_back(
                {"listener.world", where,
                 fmt::format("mode {:04o}: every process on this machine may connect; give "
                             "it a group and mode 0660",
                             listener.mode)});
        }
        const bool group = (listener.mode & kGroupMayConnect) != 0 && listener.group.has_value();
        if (listener.kind == ListenerKind::admin && group) {
            out.push_back(
                {"listener.admin", where,
                 fmt::format("mode {:04o}: everybody in gid {} may store and remove secrets",
                             listener.mode, *listener.group)});
        }
    }
}

void lint_rule(const Config& config, const Workload& workload, std::size_t i, Findings& out) {
    const MatchItem& rule = workload.match[i];
    const std::string where = rule_place(workload, i);
    if (rule.uid == uid_t{0} && !workload.allow_root) {
        out.push_back({"workload.root-never", where,
                       "uid 0 matches only where \"allow_root\" is true: this rule never does"});
    }
    if (is_uid_only(rule) && *rule.uid == kNobodyUid) {
        out.push_back({"workload.shared-uid", where,
                       "uid 65534 is whoever has no user of their own; add a unit, container or "
                       "socket"});
    } else if (is_uid_only(rule)) {
        if (const Workload* const other = other_with_uid(config, workload, *rule.uid)) {
            out.push_back(
                {"workload.shared-uid", where,
                 fmt::format("every process of uid {} is workload \"{}\" too; add a unit, "
                             "container or socket",
                             *rule.uid, other->id)});
        }
    }
    if (rule.is_socket_alone() && is_open_to_others(config, *rule.socket)) {
        out.push_back({"workload.anyone", where,
                       fmt::format("everybody may connect to \"{}\": any process is this workload",
                                   *rule.socket)});
    }
    for (std::size_t j = 0; j < workload.match.size(); ++j) {
        const bool same = implies(workload.match[j], rule);
        if (j == i || !implies(rule, workload.match[j]) || (same && i < j)) continue;
        out.push_back({"workload.redundant-rule", where,
                       fmt::format("match[{}] matches whatever this one does", j)});
        break;
    }
}

void lint_workloads(const Config& config, Findings& out) {
    for (const Workload& workload : config.workloads) {
        const std::string where = "workloads." + workload.id;
        for (std::size_t i = 0; i < workload.match.size(); ++i) lint_rule(config, workload, i, out);
        if (workload.allow_root) {
            out.push_back({"workload.root", where,
                           "\"allow_root\": whoever is root on this machine can be this workload"});
        }
        if (workload.export_key) {
            out.push_back({"workload.export-key", where,
                           "\"export_key\": whoever is this workload can be this machine to the "
                           "key broker, from anywhere, until its token ends"});
        }
        const bool is_used =
            !workload.tokens.empty() ||
            std::any_of(config.secrets.begin(), config.secrets.end(),
                        [&](const auto& entry) { return has_id(entry.second.allow, workload.id); });
        if (!is_used) {
            out.push_back({"workload.unused", where,
                           "no secret is allowed to it: it gets evidence in its name and nothing "
                           "else"});
        }
    }
}

// The workload whose denial also denies each caller that is `id`; null when there is none.
const Workload* denied_by(const Config& config, const SecretPolicy& secret, const std::string& id) {
    const Workload* const allowed = workload_called(config, id);
    for (const std::string& denied : secret.deny) {
        const Workload* const other = workload_called(config, denied);
        if (allowed != nullptr && other != nullptr && is_always(*allowed, *other)) return other;
    }
    return nullptr;
}

void lint_allowed(const Config& config, const SecretPolicy& secret, const std::string& where,
                  Findings& out) {
    std::size_t num_left = 0;
    for (const std::string& id : secret.allow) {
        const Workload* const denier = denied_by(config, secret, id);
        if (denier == nullptr) {
            ++num_left;
            continue;
        }
        const std::string why =
            denier->id == id
                ? fmt::format("\"{}\" is allowed and denied; deny wins", id)
                : fmt::format("whoever is \"{}\" is also \"{}\", which is denied", id, denier->id);
        out.push_back({"secret.shadowed-allow", where, why});
    }
    if (num_left == 0)
        out.push_back({"secret.nobody", where, "no workload can have it; name one in \"allow\""});
    for (const std::string& id : secret.deny) {
        const Workload* const denied = workload_called(config, id);
        const bool may_meet = denied != nullptr && !secret.allow.empty();
        if (!may_meet) {
            out.push_back({"secret.idle-deny", where,
                           fmt::format("\"{}\" is denied what nobody is allowed", id)});
        }
    }
}

void lint_conditions(const Config& config, const SecretPolicy& secret, const std::string& where,
                     Findings& out) {
    const Conditions& require = secret.require;
    const std::string verifier(verifier_type_name(config.verifier.type));
    if (!require.verifiers.empty() && !has_id(require.verifiers, verifier)) {
        out.push_back(
            {"secret.never", where + ".require.verifier",
             fmt::format("the configured verifier is \"{}\": the secret is never released",
                         verifier)});
    }
    if (require.max_age && *require.max_age > config.verifier.max_age) {
        out.push_back(
            {"secret.idle-condition", where + ".require.max_age",
             fmt::format("verifier.max_age is {} already", to_string(config.verifier.max_age))});
    }
    if (config.is_test_setup() && !secret.test) {
        out.push_back({"secret.never", where,
                       "every result may be of test grade (verifier.trust_anchors, verifier.test): "
                       "without \"test\": true the secret is not released on one"});
    }
}

void lint_secrets(const Config& config, Findings& out) {
    for (const auto& [name, secret] : config.secrets) {
        const std::string where = "secrets." + name;
        lint_allowed(config, secret, where, out);
        lint_conditions(config, secret, where, out);
        for (const auto& [other_name, other] : config.secrets) {
            const bool same = other.source == secret.source && other.resource == secret.resource;
            if (!same || other_name <= name) continue;
            out.push_back(
                {"secret.same-resource", where,
                 fmt::format("\"{}\" is the same resource of \"{}\": who may have one has "
                             "the other's value",
                             other_name, secret.source)});
        }
    }
}

void lint_sources(const Config& config, Findings& out) {
    for (const auto& [name, broker] : config.brokers) {
        if (!broker.discover_token_signer) continue;
        out.push_back({"source.any-signer", "sources." + name + ".discover_token_signer",
                       "nothing but TLS says who judged the evidence: pin a \"token_signer\""});
    }
    for (const auto& [name, sealed] : config.sealed_sources) {
        const std::string where = "sources." + name;
        if (sealed.unbound) {
            out.push_back({"source.unbound", where + ".unbound",
                           "whoever delivers the files can exchange them: have each signed with "
                           "its secret's name in annotations[\"attestd.name\"]"});
        }
        if (!sealed.trusted_kids.empty()) {
            out.push_back({"source.signer-at-broker", where + ".trusted_kids",
                           "whoever can write such a resource of the key broker can sign: pin the "
                           "key in \"trusted_keys\""});
        }
    }
}

void lint_verifier(const Config& config, Findings& out) {
    if (config.verifier.keys_by_tls_alone()) {
        out.push_back({"verifier.any-signer", "verifier.token_signer",
                       "nothing but TLS says who judged the evidence: pin a \"token_signer\""});
    }
}

}  // namespace

std::vector<LintFinding> lint(const Config& config) {
    Findings out;
    lint_verifier(config, out);
    lint_sources(config, out);
    lint_listeners(config, out);
    lint_workloads(config, out);
    lint_secrets(config, out);
    if (config.config_binding == ConfigBinding::none) {
        out.push_back({"config.unbound", "config_binding",
                       "\"none\": whoever writes the disk decides who gets which secret"});
    }
    if (config.hand_over_policy) {
        out.push_back({"hand-over.allowed", "hand_over",
                       "administrators can give the stored secrets to another machine: remove it "
                       "when that is done"});
    }
    if (config.is_test_setup()) {
        const bool is_external = config.verifier.type != VerifierType::local;
        out.push_back({"verifier.test-grade",
                       is_external ? "verifier.test" : "verifier.trust_anchors",
                       is_external ? "all results are test grade"
                                   : "results that rest on added anchors are test grade"});
    }
    return out;
}

}  // namespace attestd
