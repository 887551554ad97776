"""Writing manual pages: text as roff, and the parts of a page that scripts/gen-docs writes."""
import re

BEGIN = '.\\" gen-docs begin: {}'
END = '.\\" gen-docs end: {}'


def escape(text):
    """`text` so that man(1) shows it as it is"""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq").replace("^", "\\(ha").replace("~", "\\(ti")
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in text.split("\n"))


def bold(text):
    return f"\\fB{escape(text)}\\fR"


def italic(text):
    return f"\\fI{escape(text)}\\fR"


def plain(page):
    """the text of a page's source without its escapes, for looking things up in it"""
    page = re.sub(r"\\f[BIRP]", "", page)
    for escaped, char in (("\\-", "-"), ("\\(dq", '"'), ("\\(ha", "^"), ("\\(ti", "~"), ("\\&", ""), ("\\e", "\\")):
        page = page.replace(escaped, char)
    return page


def part_names(page):
    return re.findall(r'^\.\\" gen-docs begin: (.*)$', page, re.MULTILINE)


def part(page, name):
    """what stands between a part's two markers"""
    begin, end = BEGIN.format(name) + "\n", END.format(name) + "\n"
    if begin not in page or end not in page:
        raise SystemExit(f"the page lacks the lines between which {name} goes:\n{begin}{end}")
    return page.split(begin)[1].split(end)[0]


def with_part(page, name, text):
    """the page with a part replaced"""
    old = part(page, name)
    begin = BEGIN.format(name) + "\n"
    return page.replace(begin + old, begin + text.rstrip("\n") + "\n", 1)


def empty_part(name):
    return f"{BEGIN.format(name)}\n{END.format(name)}\n"
