"""A program's commands and options, read from what its --help prints (CLI11's form, or attestd's own)."""
import dataclasses
import re
import subprocess

# What a value is: for synopses, and for completion, which offers files for PATH, FILE and SOCKET.
METAVARS = {
    "--admin-socket": "SOCKET", "--algorithm": "NAME", "--alphabet": "NAME", "--append": "TEXT", "--at": "TIME",
    "--cache": "PATH", "--config": "FILE", "--endorsements": "PATH", "--event-log": "FILE", "--fd": "NAME",
    "--fetch-config": "FILE", "--file": "PATH", "--fmspc": "HEX", "--from-evidence": "FILE", "--holds": "HEX",
    "--html": "FILE", "--initrd": "FILE", "--kds": "URL", "--kernel": "FILE", "--listener": "NAME",
    "--machine": "NAME", "--mode": "MODE", "--on-change": "CMD", "--output": "FILE", "--ovmf": "FILE",
    "--pccs": "URL", "--platform": "NAME", "--policy": "FILE", "--product": "NAME", "--public-key": "FILE",
    "--quote": "FILE", "--recovery-key": "FILE", "--report-data": "HEX", "--require-binding": "NAME", "--root": "PATH",
    "--secret": "NAME", "--service-manifest": "FILE", "--socket": "SOCKET", "--source": "NAME", "--store": "PATH",
    "--svsm": "FILE", "--td-quote": "FILE", "--template": "FILE", "--tpm-quote": "FILE", "--trust-anchor": "FILE", "--valid-for": "TIME",
    "--value": "FILE", "--vars-file": "FILE", "--vcpu-type": "NAME", "--vmm-type": "NAME", "--wait": "TIME",
    "--update": "NAME", "--tee": "NAME", "--ca": "NAME",
}
MEANING_AT = 30  # the column of the meanings
FILES = ("PATH", "FILE", "SOCKET")
POSITIONAL_FILES = ("FILE", "PATH", "REQUEST", "PACKAGE")


@dataclasses.dataclass
class Option:
    names: list          # ["-o", "--output"], or the positional's one name
    meaning: str
    takes: str = ""      # "" for a flag, else TEXT, UINT, INT
    choices: list = dataclasses.field(default_factory=list)
    default: str = ""
    required: bool = False
    repeated: bool = False
    relations: str = ""  # "Excludes: --x Needs: --y"

    @property
    def long(self):
        return self.names[-1]

    @property
    def metavar(self):
        if not self.takes:
            return ""
        return METAVARS.get(self.long, "N" if self.takes in ("UINT", "INT") else "VALUE")


@dataclasses.dataclass
class Command:
    path: tuple          # () for the program, ("secret", "put")
    meaning: str
    options: list
    positionals: list
    subcommands: list    # of Command


def entries(text, heading):
    """(name part, meaning) of each entry below a heading"""
    found = re.search(rf"^{heading}:\n((?:  .*\n|\n(?=  ))*)", text, re.MULTILINE)
    out, lines = [], found[1].splitlines() if found else []
    for line, following in zip(lines, lines[1:] + [""]):
        if line.startswith(" " * 10):
            out[-1][1] = line.strip()
        elif following.startswith(" " * 10):  # too long for a meaning beside it
            out.append([line.strip(), ""])
        else:
            out.append([line[:MEANING_AT].strip(), line[MEANING_AT:].strip()])
    return out


def parse_entry(name_part, meaning):
    relations = " ".join(re.findall(r"(?:Excludes|Needs):(?: --?[\w-]+)+", name_part))
    rest = re.sub(r"\s*(?:Excludes|Needs):(?: --?[\w-]+)+", "", name_part)
    names, _, rest = rest.partition(" ")
    option = Option(names.split(","), meaning, relations=relations)
    option.required = "REQUIRED" in rest
    option.repeated = " ..." in " " + rest
    if m := re.match(r"(TEXT|UINT|INT)(?::(\{[^}]*\}))?", rest):
        option.takes = m[1]
        option.choices = m[2].strip("{}").split(",") if m[2] else []
    if m := re.search(r"=(\S+)", rest):
        option.default = m[1]
    return option


def read_cli11(program, path=()):
    """the tree of a program that CLI11 reads the command line of"""
    done = subprocess.run([str(program), *path, "--help"], capture_output=True, text=True, check=True)
    text = done.stdout
    head = text.split("\nUsage:")[0].strip() or text.split("Usage:")[0].strip()
    return Command(path, head, [parse_entry(*e) for e in entries(text, "Options")],
                   [parse_entry(*e) for e in entries(text, "Positionals")],
                   [read_cli11(program, path + (name,)) for name, _ in entries(text, "Subcommands")])


def read_plain(program):
    """the options of a program that prints `  --name VALUE  meaning` itself"""
    text = subprocess.run([str(program), "--help"], capture_output=True, text=True, check=True).stdout
    options = []
    for line in text.splitlines():
        if m := re.match(r"  (--[\w-]+)( [A-Z]+)?\s{2,}(.*)", line):
            options.append(Option([m[1]], m[3], takes="TEXT" if m[2] else ""))
        elif options and line.startswith(" " * 10):
            options[-1].meaning += " " + line.strip()
    return Command((), "", options, [], [])


def walk(command):
    yield command
    for sub in command.subcommands:
        yield from walk(sub)
