"""What pages for operators say that programs say is in their sources."""

import re

from cluster import ROOT

#: An interpolation of Swift, with what it may have in parentheses.
INTERPOLATION = re.compile(r'\\\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)')


def messages():
    """String literals of the programs, as expressions; each with how many letters it has of its own."""
    found = []
    for path in (ROOT / 'Sources').rglob('*.swift'):
        text = INTERPOLATION.sub('\0', path.read_text())
        for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', text):
            parts = literal.replace('\\"', '"').split('\0')
            length = sum(map(len, parts))
            if length >= 10:
                found.append((re.compile('.+'.join(map(re.escape, parts))), length))
    return found


def refusals(name):
    """What stands in the first column of tables of refusals."""
    is_table = False
    for line in (ROOT / 'docs' / 'operators' / name).read_text().splitlines():
        cells = line.split('|')
        if len(cells) < 4:
            is_table = False
        elif cells[1].strip() in ('refusal', 'line'):
            is_table = True
        elif is_table and not set(cells[1]) <= set('-: '):
            yield from re.findall(r'`([^`]+)`', cells[1])


def test_refusals_are_those_of_the_programs():
    known = messages()
    texts = list(refusals('commands.md'))
    assert len(texts) > 25
    for text in texts:
        # What is left out on the page is anything; what is made of two literals is known by the longer one.
        whole = text.replace('…', 'anything')
        assert any(
            expression.fullmatch(plain) or length > 15 and expression.search(plain)
            for plain in (whole, whole.removeprefix('ERROR: ')) for expression, length in known), text
