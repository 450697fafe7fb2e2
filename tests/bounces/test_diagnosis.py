"""What mail servers answer, in the words of each, and what it means for the address."""

from digest.bounces.diagnosis import Reply, diagnose
from digest.bounces.report import Kind

REPLIES = {
    "hard": """
        550 5.1.1 <ann@reader.example>: Recipient address rejected: User unknown in virtual mailbox table
        550 5.1.1 <ann@reader.example>: Recipient address rejected: User unknown in relay recipient table
        550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking for typos
        550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ann@reader.example not found by SMTP address lookup
        550 5.1.1 RESOLVER.ADR.ExRecipNotFound; not found
        550 5.7.1 No such user here
        553 5.3.0 <ann@reader.example>... Addressee unknown, relay=[192.0.2.7]
        550 No such user (ann@reader.example) here
        550 sorry, no mailbox here by that name (#5.1.1)
        550 Unknown user: ann@reader.example
        550 #5.1.0 Address rejected. no such recipient
        550 5.1.6 Recipient has moved
        556 5.1.10 Recipient address has null MX
        User Ann (ann@reader.example) not listed in Domino Directory
        550 5.5.0 unknown local part ann in <ann@reader.example>
        550 mailbox not found
        550 Empfänger existiert nicht
        550 5.1.1 Benutzer unbekannt
        550 Utilisateur inconnu
        550 L'adresse n'existe pas
        550 El usuario no existe
        550 Usuário não existe
        550 Utente sconosciuto
        550 Gebruiker onbekend
        550 Пользователь не найден
        550 Нет такого пользователя
        550 Odbiorca nie istnieje
        550 用户不存在
        550 宛先のユーザーは存在しません
        550 Kullanıcı bulunamadı
        551 not our customer
        550 BAD_RECIPIENT
    """,
    "soft": """
        452 4.2.2 The email account that you tried to reach is over quota
        552 5.2.2 Mailbox full
        550 5.1.1 <ann@reader.example> user unknown or mailbox full
        554 5.2.2 mailbox for ann is exceeded the storage limit
        550 5.2.1 The email account that you tried to reach is disabled
        550 5.1.1 Account suspended, user unknown
        550 Benutzer hat zu viele Mails auf dem Server
        550 Le quota est dépassé, boîte aux lettres pleine
        550 El buzón está lleno
        550 Почтовый ящик переполнен
        550 邮箱容量已满
        550 5.1.2 Host unknown (Name server: reader.example: host not found)
        5.4.4 Host or domain name not found. Name service error for name=reader.example type=MX
        NXDOMAIN
        550 Unrouteable address
        450 4.1.1 <ann@reader.example>: Recipient address rejected: unverified address: user unknown
        450 user unknown
        4.4.1 connect to mx.reader.example: Connection timed out
        554 5.4.6 Too many hops
        550 5.0.0 something of their own
        550 5.1.10 hop limit exceeded
        550 ldap lookup failed: user not found
        550 Requested action not taken: mailbox unavailable
        550 #5.1.0 Address rejected.
        550 <ann@reader.example> recipient rejected
        550 用户不存在或者被禁用
    """,
    "block": """
        550 5.1.1 <ann@reader.example>: Recipient address rejected: blocked
        550 5.1.1 Your IP address 192.0.2.7 is listed by a blocklist; user unknown
        550 5.1.1 Message refused by policy
        550 5.7.1 Service unavailable; client [192.0.2.7] blocked using zen.spamhaus.org
        554 5.7.1 <ann@reader.example>: Relay access denied
        553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)
        550 5.4.1 Recipient address rejected: Access denied
        550-5.7.26 This message does not pass authentication checks (SPF and DKIM both do not pass)
        421 4.7.0 unsolicited mail originating from your IP address, rate limited
        450 4.7.1 Greylisted, please try again later
        552 5.3.4 message size exceeds fixed maximum message size
        550 RCPT TO:<ann@reader.example> max message size exceeded
        550 5.2.3 RESOLVER.RST.SendSizeLimit.Org; message too large for this organization
        550 5.7.1 content rejected
        550 5.1.1 only members can post to this list
        421 4.7.0 too many concurrent SMTP connections
        554 5.6.0 message contains invalid header
        550 Sender verify failed: user unknown
        550 5.1.1 unknown sender
        550 5.7.1 envelope from user unknown
        554 Rejected: your host sent mail to too many nonexistent users (dictionary attack)
        550 5.1.8 Sender address rejected: Domain not found
        554 Nachricht wegen Richtlinie abgelehnt
        550 Message classé comme indésirable
        550 信件被拒绝: 垃圾邮件
        550 迷惑メールのため受信拒否
    """,
}


def test_the_code_of_a_reply_is_nearer_than_the_status_of_the_report() -> None:
    assert diagnose(Reply("450 user unknown for now", status="5.0.0")).kind is Kind.SOFT
    assert diagnose(Reply("550 user unknown", status="5.0.0")).kind is Kind.HARD


def test_replies_of_many_mail_servers() -> None:
    told = [
        (kind, line.strip(), diagnose(Reply(line.strip(), host="mx.reader.example")).kind.value)
        for kind, lines in REPLIES.items()
        for line in lines.strip().split("\n")
    ]
    assert [(kind, line, found) for kind, line, found in told if found != kind] == []


def test_a_code_decides_only_where_no_words_do() -> None:
    codes = {
        "5.1.1": "hard",
        "5.1.10": "hard",
        "5.7.1": "block",
        "5.2.2": "soft",
        "5.1.2": "soft",
        "5.0.0": "soft",
        "4.1.1": "soft",
    }
    assert {code: diagnose(Reply("", code)).kind.value for code in codes} == codes
    assert diagnose(Reply("mailbox full", "5.1.1")).kind == "soft"


def test_names_of_hosts_and_addresses_are_not_words() -> None:
    reply = "550 5.1.1 <spam.blocked@reader.example> host mx.spam-policy.example.com said: no such user"
    assert diagnose(Reply(reply)).kind == "hard"


def test_a_server_that_refuses_the_whole_email_may_pretend_that_the_user_is_unknown() -> None:
    filtered = Reply("550 Unknown user (in reply to end of DATA command)", host="mfsmax.docomo.ne.jp")
    assert diagnose(filtered).kind == "soft"
    assert (
        diagnose(Reply("550 Unknown user (in reply to RCPT TO command)", host="mfsmax.docomo.ne.jp")).kind
        == "hard"
    )


def test_outlook_calls_an_unknown_mailbox_unavailable() -> None:
    reply = "550 5.5.0 Requested action not taken: mailbox unavailable"
    assert diagnose(Reply(reply, host="hotmail-com.olc.protection.outlook.com")).kind == "hard"
    assert diagnose(Reply(reply, host="mx.reader.example")).kind == "soft"
    assert diagnose(Reply(f"{reply}; your IP is blocked", host="mx.outlook.com")).kind == "block"
    assert (
        diagnose(Reply(f"{reply} invalid DNS MX or A/AAAA resource record", host="mx00.gmx.net")).kind
        == "block"
    )


def test_exchange_online_denies_access_to_addresses_that_may_not_exist() -> None:
    reply = "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)"
    assert diagnose(Reply(reply, host="reader-example.mail.protection.outlook.com")).kind == "soft"
    assert diagnose(Reply(reply, host="mx.reader.example")).kind == "block"
