"""Merge fields of other mail tools, and words that stand for text which is still to be written.

Every pattern is limited in length: a text full of opening brackets must not be searched to its end from each of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FIELD_WORDS = (
    r"(?:first|last|full|user|company|subscriber)?[_ -]?name|[fl]name|e-?mail(?:[_ ]?address)?|company|city"
)
# What the tools write, grouped by their outer brackets. `[[1]](url)` is a Markdown link and not a merge field.
_MERGE_FIELD = re.compile(
    rf"""
      \{{\{{.{{0,200}}?\}}\}} | \{{%.{{0,200}}?%\}}            # Handlebars, Liquid, Jinja: {{{{ name }}}}, {{% if %}}
    | \*\|.{{0,200}}?\|\*                                      # Mailchimp: *|FNAME|*
    | %%[^%\n]{{1,100}}%%                                      # Salesforce: %%First Name%%
    | (?<![\w%])%[A-Za-z][\w.]{{1,60}}%(?![\w%])               # Mailgun, ActiveCampaign: %recipient.name%
    | %\(\w{{1,60}}\)s                                         # Python: %(name)s
    | \[\[[^\[\]]{{0,200}}\]\](?!\()                           # Constant Contact, GetResponse, Mailjet: [[name]]
    | \[%.{{0,200}}?%\] | <%.{{0,200}}?%>                      # Emma: [% name %]; ERB: <%= name %>
    | <<[ ]?[A-Za-z][\w .]{{0,60}}>>                           # <<First Name>>
    | [$#]\{{[^{{}}\n]{{1,100}}\}} | \$\[[^\[\]\n]{{1,60}}\]\$ # ${{name}}, #{{name}}; Zoho: $[FNAME]$
    | \{{[$!]\w[^{{}}\n]{{0,60}}\}}                            # MailerLite: {{$name}}; AWeber: {{!firstname_fix}}
    | (?i:\{{(?:{_FIELD_WORDS})(?:\s*[,|][^{{}}\n]{{0,60}})?\}})  # Ghost: {{first_name, "there"}}
    | (?i:«(?:{_FIELD_WORDS})»)                          # Word: «First Name»
    | \[\w{{1,60}},\s?fallback=[^\[\]\n]{{0,100}}\]            # Campaign Monitor: [firstname,fallback=you]
    | (?<!\w)@[A-Z]{{3,40}}@(?!\w)                             # Dotdigital: @FIRSTNAME@
    """,
    re.DOTALL | re.VERBOSE,
)
_DUMMY = r"""
      (?i: lorem\ ipsum | dolor\ sit\ amet )
    | (?i: \b (?:headline|copy|text|image|link|title) \ goes\ here \b | \b your\ (?:headline|text|link)\ here \b )
"""
_DUMMY_TEXT = re.compile(_DUMMY, re.VERBOSE)
_TO_BE_WRITTEN = re.compile(
    rf"""{_DUMMY}
    | (?<![\w-]) (?: TODO | FIXME | TBD | TBC | (?:TK){{1,4}} | XXX+ ) (?![\w-])
    | (?<!\w) (?i: todo: | tktk )
    | (?i: [\[<] (?:insert|your|enter|add)\b [^\[\]<>\n]{{0,60}} [\]>] (?![(\[]) )
    | (?i: \[ (?:{_FIELD_WORDS}) \] (?![(\[:]) )
    | \[ [A-Z][A-Z _-]{{1,40}} \] (?![(\[:])
    """,
    re.VERBOSE,
)
# What newsletters put into brackets and mean.
_LABELS = re.compile(r"\[(?:AD|ADS|AI|API|CORRECTION|NEW|PDF|SIC|SPONSOR|SPONSORED|UPDATE|VIDEO)\]")
_WHOLE_TEXTS = frozenset(
    {"asdf", "draft", "lorem", "placeholder", "preheader", "subject", "test", "todo", "untitled"}
)


@dataclass(frozen=True)
class Match:
    """What was found, as written, and in which line, counted from 1."""

    found: str
    line: int


def find_merge_fields(text: str) -> list[Match]:
    """Return the first place of each merge field in a text, such as {{name}}, in order."""
    return _first_of_each(_MERGE_FIELD, text)


def find_placeholders(text: str) -> list[Match]:
    """Return the first place of each placeholder in a text, such as TODO, [NAME] or lorem ipsum, in order."""
    if _is_placeholder(text):
        return [Match(text.strip(), 1)]
    return [match for match in _first_of_each(_TO_BE_WRITTEN, text) if not _LABELS.fullmatch(match.found)]


def find_dummy_text(text: str) -> list[Match]:
    """Return only what nobody writes in earnest: lorem ipsum, "Text goes here", or a text that is just "TODO"."""
    return [Match(text.strip(), 1)] if _is_placeholder(text) else _first_of_each(_DUMMY_TEXT, text)


def _is_placeholder(text: str) -> bool:
    return text.strip().rstrip(".:!").casefold() in _WHOLE_TEXTS


def _first_of_each(pattern: re.Pattern[str], text: str) -> list[Match]:
    first: dict[str, Match] = {}
    for match in _matches(pattern, text):
        first.setdefault(match.found, match)
    return list(first.values())


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[Match]:
    line = 1
    position = 0
    for match in pattern.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        yield Match(match.group(), line)
