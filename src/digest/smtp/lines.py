"""A mail's lines on the wire: CRLF ends each of them, and a lone dot ends the mail (RFC 5321, 2.3.8 and 4.5.2)."""


def find_line_fault(data: bytes) -> str:
    """Why these lines must not be sent; empty when they may.

    Servers disagree about a bare CR or LF: what one of them takes for text is the end of the mail for another, and what
    follows a mail of somebody else (SMTP smuggling).
    """
    ends = data.count(b"\r\n")
    if data.count(b"\n") != ends:
        return "it holds a line feed (LF) without a carriage return before it"
    if data.count(b"\r") != ends:
        return "it holds a carriage return (CR) without a line feed after it"
    return "" if data.endswith(b"\r\n") else "its last line has no end"


def stuff_dots(data: bytes) -> bytes:
    """The same lines, with a second dot before each that begins with one."""
    if data[:1] != b"." and b"\r\n." not in data:
        return data
    data = data.replace(b"\r\n.", b"\r\n..")
    return b"." + data if data[:1] == b"." else data
