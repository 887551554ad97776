"""The error codes as quote/base/errc.cpp has them, and their table for the manual (roff)."""
import collections
import re

Row = collections.namedtuple("Row", "code name meaning")
BEGIN = '.\\" errc-table begins: written by scripts/gen-errc-table'
END = '.\\" errc-table ends'


def read_table(root):
    """the rows in order; raises when the source has another form than this reads"""
    declared = re.search(r"enum class Errc[^{]*\{(.*?)\};", (root / "quote/base/errc.h").read_text(), re.DOTALL)[1]
    codes = re.findall(r"^\s*(\w+)(?:\s*=\s*1)?,", re.sub(r"//[^\n]*", "", declared), re.MULTILINE)
    source = (root / "quote/base/errc.cpp").read_text()
    rows = [Row(*m) for m in re.findall(r'\{Errc::(\w+),\s*"([^"]+)",\s*"([^"]+)"\}', source)]
    if [row.code for row in rows] != codes or len(codes) < 50:
        raise SystemExit("errc.cpp's table does not read as errc.h's codes, in order")
    return rows


def roff_table(rows):
    escaped = lambda text: text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f".TP\n.B {escaped(row.name)}\n{row.meaning}" for row in rows)
