"""Documents say what the program does: manual pages against --help, schemas and routes; completions; lint."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import tap

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build"
MAN = ROOT / "agent" / "man"
COMPLETION = ROOT / "agent" / "cli" / "completion"
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True
import cli_help  # noqa: E402
import roff  # noqa: E402

ATTESTCTL = BUILD / "agent" / "cli" / "attestctl"
# Programs that print their options themselves, and the page of each.
PLAIN = {"attestd.8": "agent/attestd", "attestd-fetch.8": "agent/fetch/attestd-fetch",
         "attestd-inspect.8": "agent/inspect/attestd-inspect",
         "attestd-azure-vtpm.8": "agent/azure_vtpm/attestd-azure-vtpm"}
SCHEMAS = ("attestd", "appraisal", "fetch")


def same(what, documented, real):
    documented, real = set(documented), set(real)
    missing, surplus = sorted(real - documented), sorted(documented - real)
    assert not missing, f"{what} lacks: {', '.join(missing)}"
    assert not surplus, f"{what} has, and the program has not: {', '.join(surplus)}"


def generated_parts_are_fresh():
    """what scripts/gen-docs writes is as the program is: options, keys, error codes, completions"""
    done = subprocess.run([ROOT / "scripts" / "gen-docs", "--check", BUILD], capture_output=True, text=True)
    assert done.returncode == 0, f"run scripts/gen-docs {BUILD.name}\n{done.stdout}{done.stderr}"


def heads(text):
    """what each .TP of a page explains"""
    return [roff.plain(line) for line in re.findall(r"^\.TP\n(.*)$", text, re.MULTILINE)]


def attestctl_page_has_every_option():
    """attestctl(1) explains every subcommand, option and argument of --help, and no other"""
    page = (MAN / "attestctl.1").read_text()
    seen = []
    for command in cli_help.walk(cli_help.read_cli11(ATTESTCTL)):
        name = " ".join(("attestctl",) + command.path)
        seen.append(name)
        listed = re.findall(r"(?<![\w-])--?[\w-]+", "\n".join(heads(roff.part(page, name))))
        same(name, listed, [n for o in command.options for n in o.names if n not in ("-h", "--help")])
        arguments = [h for h in heads(roff.part(page, name)) if not h.startswith("-")]
        same(name, arguments, [p.names[0] for p in command.positionals])
        if command.path:
            assert f".SS {roff.escape(name)}\n" in page or f".SS {name}\n" in page, f"no section {name}"
    same("attestctl(1)", [n for n in roff.part_names(page) if n != "synopsis"], seen)


def pages_of_daemons_have_every_option():
    """the pages of the other programs explain every option of --help, and no other"""
    for name, program in PLAIN.items():
        if not (BUILD / program).exists():  # attestd-azure-vtpm, where libtss2 is not there
            continue
        text = subprocess.run([BUILD / program, "--help"], capture_output=True, text=True, check=True).stdout
        real = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text)) | {"--help", "--version"}
        page = (MAN / name).read_text()
        options = page.split(".SH OPTIONS\n")[1].split("\n.SH ")[0]
        same(name, set(re.findall(r"(?<![\w-])--[a-z][\w-]*", "\n".join(heads(options)))) | {"--help", "--version"},
             real)


def options_in_prose_exist():
    """no page, README or SECURITY speaks of an option that no program has"""
    known = {"--help", "--version"}
    for command in cli_help.walk(cli_help.read_cli11(ATTESTCTL)):
        known |= {n for o in command.options for n in o.names}
    for program in PLAIN.values():
        if (BUILD / program).exists():
            text = subprocess.run([BUILD / program, "--help"], capture_output=True, text=True, check=True).stdout
            known |= set(re.findall(r"--[a-z][\w-]*", text))
        else:
            known |= {"--fetch-socket", "--timeout", "--listen"}
    others = re.compile(r"\b(systemctl|curl|journalctl|systemd-analyze|meson|pidof|scripts/example-\S+)\b")
    for path in [*MAN.iterdir(), ROOT / "README.md", ROOT / "SECURITY.md"]:
        for line in roff.plain(path.read_text()).splitlines():
            unknown = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", line)) - known
            assert not unknown or others.search(line), f"{path.name}: {unknown} in: {line}"


def property_names(node):
    """each name under "properties", anywhere in a schema"""
    if isinstance(node, list):
        for item in node:
            yield from property_names(item)
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "properties" and isinstance(value, dict):
                yield from (name for name, child in value.items() if child is not False)
                yield from property_names(list(value.values()))
            else:
                yield from property_names(value)


def configuration_page_has_every_key():
    """attestd.json(5) explains every key of the three schemas, and no other"""
    page = (MAN / "attestd.json.5").read_text()
    for name in SCHEMAS:
        schema = json.loads((ROOT / "config" / f"{name}.schema.json").read_text())
        if host := schema.get("$defs", {}).get("host"):
            assert host.pop("if") and host.pop("then")  # which keys go together: no keys of their own
        documented = [key for head in heads(roff.part(page, f"{name}.schema.json")) for key in head.split(", ")]
        same(f"attestd.json(5), {name}", documented, property_names(schema))


def lint(command, path):
    done = subprocess.run([*command, path], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    # Pages carry the version in place of a date: builds are reproducible.
    lines = [line for line in done.stderr.splitlines() + (done.stdout.splitlines() if "lint" in command else [])
             if "missing date" not in line]
    return lines


def pages_are_well_formed():
    """groff and mandoc have no complaint about any page, and each is installed"""
    tools = [(tool, command) for tool, command in (
        ("groff", ["groff", "-mandoc", "-ww", "-z", "-Tutf8", "-K", "utf8"]),
        ("mandoc", ["mandoc", "-T", "lint", "-W", "warning"])) if shutil.which(tool)]
    if len(tools) < 2:
        raise tap.Skip("groff or mandoc is not installed")
    installed = (ROOT / "agent/meson.build").read_text() + (ROOT / "agent/azure_vtpm/meson.build").read_text()
    for path in sorted(MAN.iterdir()):
        assert f"man/{path.name}'" in installed, f"{path.name} is not installed"
        for tool, command in tools:
            complaints = lint(command, path)
            assert not complaints, f"{tool}: " + "\n".join(complaints[:10])


def pages_refer_to_pages():
    """every page that a page or a unit refers to is there, or is the system's"""
    ours = {f"{p.stem}({p.suffix[1:]})" for p in MAN.iterdir()}
    for path in MAN.iterdir():
        text = re.sub(r"^\.BR (\S+) \((\d)\)", r"\1(\2)", roff.plain(path.read_text()), flags=re.MULTILINE)
        for name in re.findall(r"\battest[\w.-]*\(\d\)", text):
            assert name in ours, f"{path.name} refers to {name}"
    for unit in (ROOT / "systemd").iterdir():
        for name in re.findall(r"man:(attest\S+)", unit.read_text()) if unit.is_file() else []:
            assert name in ours, f"{unit.name} refers to {name}"


def complete(*words):
    """what bash offers for the last of `words`"""
    script = (f"source {COMPLETION / 'attestctl.bash'}; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _attestctl;"
              " printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "--norc", "-c", script, "bash", "attestctl", *words], capture_output=True, text=True,
                          check=True, cwd=ROOT)
    assert "attestctl.bash" not in done.stderr, done.stderr
    return set(done.stdout.split())


def bash_completes():
    """bash completes commands, options, values and files of attestctl, all of them and no other"""
    tree = cli_help.read_cli11(ATTESTCTL)
    for command in cli_help.walk(tree):
        if command.subcommands:
            same(f"completion of {command.path}", complete(*command.path, ""), [s.path[-1] for s in command.subcommands])
        options = [n for o in command.options for n in o.names]
        same(f"completion of {command.path} -", complete(*command.path, "-"), options)
        for option in command.options:
            if option.choices:
                same(option.long, complete(*command.path, option.long, ""), option.choices)
    assert complete("secret", "ro") == {"rotate"}
    assert complete("--version", "secret", "put", "x", "READ") == {"README.md"}
    assert complete("verify", "--policy", "config/app") == {
        "config/appraisal-snp.json", "config/appraisal-tdx.json", "config/appraisal.schema.json"}
    assert complete("store", "add-slot", "v") == {"vtpm"}
    assert not complete("verify", "--report-data", "READ"), "hexadecimal is no file"
    assert not complete("secret", "--socket", "secret", "--no-such")


def zsh_and_fish_complete():
    """zsh and fish read their completions, which name every command and every option"""
    tree = cli_help.read_cli11(ATTESTCTL)
    for name, shell, check in (("_attestctl", "zsh", ["zsh", "-n"]), ("attestctl.fish", "fish", ["fish", "-n"])):
        text = (COMPLETION / name).read_text()
        for command in cli_help.walk(tree):
            for option in command.options:
                written = f"'{option.long}[" if shell == "zsh" else f"-l {option.long[2:]} "
                assert written in text or f"'*{option.long}[" in text, f"{name}: {command.path} {option.long}"
            assert not command.path or f"{command.path[-1]}" in text
        if shutil.which(shell):
            done = subprocess.run([*check, COMPLETION / name], capture_output=True, text=True)
            assert done.returncode == 0 and not done.stderr, done.stderr


if __name__ == "__main__":
    sys.exit(tap.run([
        generated_parts_are_fresh, attestctl_page_has_every_option, pages_of_daemons_have_every_option,
        options_in_prose_exist, configuration_page_has_every_key, pages_are_well_formed, pages_refer_to_pages,
        bash_completes, zsh_and_fish_complete]))
