"""The OpenAPI description, the manual page and the daemon know the same routes, and answers are as described."""
import json
import pathlib
import re
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import openapi  # noqa: E402
import tap  # noqa: E402
from rig import Rig, wait_until  # noqa: E402

ROOT = openapi.ROOT
BUILD = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build"
sys.path.insert(0, str(ROOT / "scripts"))
import errc_table  # noqa: E402
import roff  # noqa: E402

# Successes that an emulated SEV-SNP machine cannot give, and where they are tested instead.
NOT_HERE = {
    ("GET", "/v1/events", "200"): "RTMR3 is TDX'; events_test holds them against the description",
    ("POST", "/v1/events", "200"): "RTMR3 is TDX'; events_test holds them against the description",
    ("POST", "/v1/token", "200"): "it takes an issuer; token_test holds them against the description",
}
JSON = {"Content-Type": "application/json"}


def normalised(path):
    """a path up to its first parameter"""
    return re.sub(r"\{.*", "", path).rstrip("/")


def description_is_well_formed():
    """the description is OpenAPI 3.1: operations with ids, tags, parameters and responses; every part used"""
    api = openapi.Description()
    document = api.document
    assert document["openapi"].startswith("3.1.") and set(document["info"]) >= {"title", "version"}
    version = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text())[1]
    assert document["info"]["version"] == version
    tags, ids = {t["name"] for t in document["tags"]}, set()

    def follow(node):
        if isinstance(node, list):
            for item in node:
                follow(item)
        if isinstance(node, dict):
            if "$ref" in node:
                follow(api.resolve(node) if node["$ref"] not in api.used else {})
            for value in node.values():
                follow(value)

    for method, path, operation in api.operations():
        where = f"{method} {path}"
        assert method.lower() in openapi.METHODS, where
        assert operation["operationId"] not in ids and not ids.add(operation["operationId"]), where
        assert operation["summary"] and set(operation["tags"]) <= tags and operation["tags"], where
        given = {p["name"] for p in map(api.resolve, operation.get("parameters", [])) if p["in"] == "path"}
        assert given == set(re.findall(r"\{(\w+)\}", path)), where
        assert any(code.startswith(("2", "5")) for code in operation["responses"]), where
        for code, response in operation["responses"].items():
            assert re.fullmatch(r"[2-5]\d\d", code) and api.resolve(response)["description"], f"{where} {code}"
        follow(operation)
    follow(document["components"]["responses"])
    for kind, parts in document["components"].items():
        for name in parts:
            assert f"#/components/{kind}/{name}" in api.used, f"components/{kind}/{name} is used nowhere"


def daemon_has_these_routes():
    """every path in the daemon's source is described, and the reverse"""
    files = {*(ROOT / "agent" / "api").rglob("*.cpp"), *(ROOT / "agent").rglob("*_routes.cpp"),
             ROOT / "agent" / "api" / "connection_limits.h"}
    # The paths of another server, which its own project describes.
    other = ROOT / "agent" / "api" / "coco_routes.cpp"
    files.remove(other)

    def paths(sources):
        code = re.sub(r"//[^\n]*", "", "".join(p.read_text() for p in sorted(sources)))
        return {p.rstrip("/") for p in re.findall(r'"(?:[A-Z]+ )?(/[a-z][A-Za-z0-9/_.-]*)"', code)}

    real = paths(files) - paths([other])
    real = {p for p in real if p.startswith(("/v1", "/metrics", "/cdh", "/aa", "/api", "/resource"))}
    described = {normalised(path) for _, path, _ in openapi.Description().operations()}
    assert real == described, (f"not described: {sorted(real - described)}; "
                               f"described, not in the source: {sorted(described - real)}")


def routes_of_page(text):
    """(METHOD, path up to its first parameter) for each that a text names"""
    text = re.sub(r'["`]| , ', " ", text)
    out = set()
    for methods, path in re.findall(r"\b((?:GET|PUT|POST|DELETE)(?:\s*\|\s*(?:GET|PUT|POST|DELETE))*)\s+"
                                    r"(/(?:v1|metrics)[\w/.-]*)", text):
        for method in re.findall("[A-Z]+", methods):
            out.add((method, path.rstrip("/.")))
    return out


def page_has_every_route():
    """attestd-api(7) explains every operation that is described, and no other; README names each"""
    described = {(method, normalised(path)) for method, path, _ in openapi.Description().operations()}
    page = (ROOT / "agent" / "man" / "attestd-api.7").read_text()
    heads = roff.plain("\n".join(re.findall(r"^\.TP\n(.*)$", page, re.MULTILINE)))
    documented = routes_of_page(heads)
    assert documented == described, (f"attestd-api(7) lacks {sorted(described - documented)}, "
                                     f"and has {sorted(documented - described)}")
    readme = (ROOT / "README.md").read_text()
    missing = {path for _, path in described if path not in readme}
    assert not missing, f"README.md does not name {sorted(missing)}"


def problem_codes_exist():
    """each code of a problem exists and has the status under which it is described"""
    api = openapi.Description()
    table = (ROOT / "agent" / "api" / "status_code.cpp").read_text()
    rows = re.findall(r'\{"([a-z.-]+)", (\d+), (\d+)\}', table)
    names = {}
    for errc in errc_table.read_table(ROOT):
        _, own, behind = next(r for r in rows if errc.name == r[0] or r[0][-1] == "." and errc.name.startswith(r[0]))
        names[errc.name] = {own, behind}
    for method, path, operation in api.operations():
        for code, response in operation["responses"].items():
            content = api.resolve(response).get("content", {}).get("application/problem+json")
            for name in content["schema"]["allOf"][1]["properties"]["code"]["enum"] if content else []:
                assert name in names, f"{method} {path} {code}: no code is called {name}"
                # A method that a path does not take has a status of its own.
                assert code in names[name] or (code, name) == ("405", "request.not-allowed"), \
                    f"{method} {path}: {name} has status {names[name]}, not {code}"


class Asker:
    """asks the rig's daemon, which holds each answer against the description, and keeps count"""

    def __init__(self, rig):
        self.rig, self.api, self.seen = rig, openapi.Description(), set()

    def __call__(self, listener, method, target, body=None, headers=None):
        text = json.dumps(body) if isinstance(body, (dict, list)) else body
        answer = self.rig.ask(listener, method, target, text, headers or (JSON if text is not None else {}))
        self.seen.add((method, self.api.find(method, target)[0], str(answer.status)))
        return answer


def started(rig):
    config = rig.config()
    plenty = {"burst": 1000000}
    config["limits"] = {"requests": {"per_second": 1000000, **plenty}, "quotes": {"per_second": 1000000, **plenty},
                        "failures": {"per_minute": 1000000, **plenty}}
    config["hand_over"] = {"policy": str(rig.folder / "appraisal.json")}
    rig.start_machine()
    rig.write_config(config)
    rig.state.mkdir(mode=0o700)
    rig.start_daemon()
    rig.wait_healthy()
    return Asker(rig)


def workloads_ask(ask):
    ask.rig.put("db/password", b"hunter2")
    secret = "/v1/secrets/db/password"
    etag = ask("app", "GET", secret).headers["etag"]
    assert ask("app", "GET", secret, headers={"Accept": "application/json"}).json["value"] == "aHVudGVyMg=="
    assert ask("app", "GET", secret, headers={"If-None-Match": etag}).status == 304
    assert ask("app", "GET", secret + "?wait=x").status == 400
    assert ask("app", "GET", "/v1/secrets/a/../b").status == 400
    assert ask("other", "GET", secret).code == "secret.unavailable"
    assert ask("app", "POST", "/v1/evidence", {"report_data": "00ff"}).status == 200
    assert ask("app", "POST", "/v1/evidence", {"report_data": "0"}).status == 400
    assert ask("app", "POST", "/v1/evidence", {"report_data": "00", "raw": True}).status == 403
    assert ask("app", "POST", "/v1/events", {"operation": "started"}).status == 403
    assert ask("app", "GET", "/v1/events").status in (501, 503)
    assert ask("app", "POST", "/v1/token", {"audience": "x"}).status == 404
    assert ask("app", "POST", "/v1/token", {"audience": 1}).status == 400
    assert ask("app", "GET", "/v1/status").json["you"]["secrets"]
    assert ask("app", "GET", "/v1/health").status == 200


def administrators_ask(ask):
    secrets, slots = "/v1/admin/secrets", "/v1/admin/store/slots"
    assert ask("admin", "GET", secrets).json["secrets"][0]["name"] == "db/password"
    assert ask("admin", "PUT", secrets + "/other/token", b"t").status == 200
    assert ask("admin", "PUT", secrets + "/none/such?existing=1", b"t").status == 404
    assert ask("admin", "PUT", secrets + "/a//b", b"t").status == 400
    too_long = {"Content-Length": str((1 << 20) + 1), "Content-Type": "application/octet-stream"}
    assert ask("admin", "PUT", secrets + "/other/token", None, too_long).status == 413
    assert ask("admin", "POST", secrets + "/other/token", {"len": 8, "alphabet": "hex"}).status == 200
    assert ask("admin", "POST", secrets + "/other/token", {"length": 8}).code == "parse.unknown-key"
    assert ask("admin", "DELETE", secrets + "/other/token").status == 204
    assert ask("admin", "DELETE", secrets + "/other/token").status == 404
    assert ask("admin", "GET", slots).json["slots"]
    key = ask.rig.folder / "operator.key"
    assert ask.rig.attestctl("store", "recovery-key", key).returncode == 0
    pem = (ask.rig.folder / "operator.key.pub").read_text()
    number = ask("admin", "POST", slots, {"kind": "recovery", "public_key": pem}).json["number"]
    assert ask("admin", "POST", slots, {"kind": "paper"}).status == 400
    assert ask("admin", "POST", slots, {"kind": "remote"}).code == "store.slot"
    assert ask("admin", "DELETE", f"{slots}/{number}").status == 204
    assert ask("admin", "DELETE", f"{slots}/99").status in (404, 503)
    assert ask("admin", "GET", "/v1/admin/sessions").status == 200
    assert ask("admin", "GET", "/v1/status").status == ask("admin", "GET", "/v1/health").status == 200
    assert b"attestd_requests_total" in ask("admin", "GET", "/metrics").body


def policy_is_asked(ask):
    explain, check = "/v1/admin/explain", "/v1/admin/check"
    pid = ask.rig.daemon.child.pid
    for name in ("db/password", "no/such"):
        assert ask("admin", "POST", explain, {"pid": pid, "secret": name}).status == 200
    assert ask("admin", "POST", explain, {"pid": 0, "secret": "a"}).status == 400
    other = ask.rig.folder / "other.json"
    config = json.loads(ask.rig.config_file.read_text())
    del config["secrets"]["other/token"]
    other.write_text(json.dumps(config))
    assert ask("admin", "POST", check, {"config": str(other)}).json["secrets"]["removed"] == ["other/token"]
    other.write_text("{}")
    assert ask("admin", "POST", check, {"config": str(other)}).status == 400
    assert ask("admin", "POST", check, {"config": str(ask.rig.folder / "none")}).status == 404
    assert ask("admin", "POST", "/v1/admin/reload").status == ask("admin", "POST", "/v1/admin/renew").status == 200


def machines_are_provisioned(ask):
    rig, provision = ask.rig, "/v1/admin/provision"
    request = rig.folder / "request.json"
    ask("admin", "POST", provision, {"valid_for": "30h"})
    request.write_bytes(ask("admin", "POST", provision, {"machine": "test"}).body)
    (rig.folder / "value").write_bytes(b"v")
    package = rig.folder / "package.json"
    sealed = rig.attestctl("provision", "seal", "--policy", rig.folder / "appraisal.json", "--trust-anchor",
                           rig.machine_dir / "root.der", "--allow-test", "-o", package, request,
                           f"other/token={rig.folder / 'value'}")
    assert sealed.returncode == 0, sealed.stderr
    assert ask("admin", "POST", provision + "/accept", package.read_bytes()).json["secrets"]
    assert ask("admin", "POST", provision + "/accept", package.read_bytes()).status == 410
    assert ask("admin", "POST", provision + "/accept", b"{}").status == 400
    again = ask("admin", "POST", provision).json
    handed = ask("admin", "POST", provision + "/hand-over", {"request": again, "names": ["other/token"]})
    assert handed.status == 200, handed.body
    assert ask("admin", "POST", provision + "/accept", handed.body).code == "provision.exists"
    assert ask("admin", "POST", provision + "/hand-over", {"request": again, "names": ["no/such"]}).status == 404


def methods_are_complete(ask):
    """a method that is not described is refused, on either listener"""
    described = {}
    for method, path, operation in ask.api.operations():
        described.setdefault(path, {})[method] = operation["tags"]
    for path, methods in described.items():
        target = path.replace("{name}", "db/password").replace("{number}", "0")
        for listener, tag in (("app", "workloads"), ("admin", "administrator")):
            for method in ("GET", "PUT", "POST", "DELETE", "PATCH"):
                if tag in methods.get(method, []):
                    continue
                answer = ask.rig.ask(listener, method, target, "{}" if method in ("PUT", "POST", "PATCH") else None, JSON)
                assert answer.status in (404, 405), f"{method} {target} on {listener}: {answer.status} is not described"


def answers_are_as_described():
    """each success of a running daemon, and many refusals, have exactly the described members"""
    with Rig(BUILD) as rig:
        ask = started(rig)
        workloads_ask(ask)
        administrators_ask(ask)
        policy_is_asked(ask)
        machines_are_provisioned(ask)
        methods_are_complete(ask)
        for method, path, operation in ask.api.operations():
            for code in operation["responses"]:
                if code.startswith("2") and (method, path, code) not in NOT_HERE:
                    assert (method, path, code) in ask.seen, f"{method} {path} never answered {code}"
        # And what comes when nothing may be released.
        rig.control(debug=True)
        rig.renew()
        wait_until("the refusal", lambda: rig.ask("app", "GET", "/v1/health").status == 503)
        assert ask("app", "GET", "/v1/health").code == "session.not-affirming"
        assert ask("app", "GET", "/v1/secrets/db/password").status == 503
        assert ask("app", "GET", "/v1/status").json["session"]["findings"]
        assert ask("admin", "POST", "/v1/admin/explain",
                   {"pid": rig.daemon.child.pid, "secret": "db/password"}).json["session"]["affirming"] is False


def every_source_has_a_state():
    """GET /v1/status describes each type of source that configuration knows"""
    api = openapi.Description()
    states = api.document["components"]["schemas"]["Status"]["properties"]["sources"]["additionalProperties"]["oneOf"]
    described = {api.resolve(state)["properties"]["type"]["const"] for state in states}
    schema = json.loads((ROOT / "config" / "attestd.schema.json").read_text())["$defs"]
    real = {schema[s["$ref"].rpartition("/")[2]]["properties"]["type"]["const"] for s in schema["source"]["oneOf"]}
    assert described == real, f"not described: {sorted(real - described)}; no such type: {sorted(described - real)}"


def a_wrong_answer_is_noticed():
    """the check itself works: an added, a missing and a wrong member are each refused"""
    api = openapi.Description()
    schema = {"$ref": "#/components/schemas/Stored"}
    assert not api.complaints(schema, {"name": "a/b", "version": 1})
    for wrong in ({"name": "a/b"}, {"name": "a/b", "version": 1, "len": 2}, {"name": "a//b", "version": 1},
                  {"name": "a/b", "version": "1"}, {"name": "a/b", "version": 0}, []):
        assert api.complaints(schema, wrong), wrong
    for tag, method, status in (("workloads", "GET", 200), ("administrator", "GET", 418), ("administrator", "PUT", 200)):
        answer = types.SimpleNamespace(status=status, headers={}, body=b"")
        try:
            api.check(tag, method, "/metrics", answer)
        except AssertionError:
            continue
        raise AssertionError(f"{tag} {method} {status} was not noticed")


if __name__ == "__main__":
    sys.exit(tap.run([description_is_well_formed, daemon_has_these_routes, page_has_every_route, problem_codes_exist,
                      every_source_has_a_state, a_wrong_answer_is_noticed, answers_are_as_described]))
