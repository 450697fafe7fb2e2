"""What nobody here can read is not ignored where it may say who unsubscribed, and no address is left out in silence."""

import pytest
from tests.audience.import_files import Write

from digest.audience.importing import rows
from digest.audience.importing.reading.address_lists import LEFT_OUT
from digest.audience.importing.reading.survey import UnclearColumns
from digest.errors import BadInput

LOOK_LIKE_STATUSES = {
    "ቋንቋ": ["yes", "no"],  # Amharic
    "ಚಂದಾದಾರಿಕೆ ರದ್ದು": ["1", "0"],  # Kannada
    "Դուրս գրված": ["2025-01-01", ""],  # Armenian
    "გამოწერილი": ["გააქტიურებული"] * 5 + ["გაუქმებული"] * 5,  # Georgian
    "Atcelšana ā": ["2025-01-01", "2024-01-01"],
    "": ["yes", ""],
}
LOOK_LIKE_OTHERS = {
    "ქალაქი": [f"თბილისი {n}" for n in range(9)],
    "Ծննդավայր": ["Երևան", "Գյումրի", "Վանաձոր", "Երևան"],
    "Straße": ["0", "1"],
    "": ["1", "2", "3"],
    "Prénom": ["Zoé"] * 20,
    "PLZ ä": ["20095", "10115"],
}


def table(name: str, cells: list[str]) -> str:
    return f"email,{name}\n" + "".join(f"r{n}@example.org,{cell}\n" for n, cell in enumerate(cells))


def test_a_column_that_looks_like_a_status_under_an_unknown_name_stops_the_import(file: Write) -> None:
    for name, cells in LOOK_LIKE_STATUSES.items():
        with pytest.raises(UnclearColumns) as stopped:
            rows.open_file(file(table(name, cells)))
        assert list(stopped.value.words) == [name]
        assert len(rows.open_file(file(table(name, cells)), status="none").layout.columns) == 2
    for name, cells in LOOK_LIKE_OTHERS.items():
        assert rows.open_file(file(table(name, cells))), name


def test_answers_and_dates_in_a_file_without_a_header_stop_the_import(file: Write) -> None:
    for cells in (["yes", "no"], ["1", "1"], ["2025-01-01", ""], ["0", "1"]):
        text = "".join(f"r{n}@example.org,{cell}\n" for n, cell in enumerate(cells))
        with pytest.raises(UnclearColumns, match="column 2"):
            rows.open_file(file(text))
    assert rows.open_file(file("a@example.org,Ada,Berlin,20095\nb@example.org,Bob,Rome,00118\n"))


def test_addresses_below_a_heading_of_opt_outs_stop_the_import(file: Write) -> None:
    for heading in ("UNSUBSCRIBED:", "-- Abgemeldet --", "Do not mail these any more"):
        with pytest.raises(BadInput, match=r"line 3 says .* above more addresses"):
            rows.open_file(file(f"email\na@x.org\n{heading}\nb@x.org\n"))
        assert rows.open_file(file(f"email\na@x.org\n{heading}\n")), "nobody stands below it"
    assert rows.open_file(file("email,status\na@x.org,active\n,unsubscribed\nb@x.org,active\n"))
    assert rows.open_file(file("name,email\nAda,a@x.org\nMary Robinson,\nBob,b@x.org\n"))
    with pytest.raises(BadInput, match="line 3 says “Opted out”"):
        rows.open_file(file("name,email\nAda,a@x.org\nOpted out,\nBob,b@x.org\n"))


@pytest.mark.parametrize("text", ["UNSUBSCRIBED:\na@x.org\n", "Opted out 2024,\nemail,name\na@x.org,Ada\n"])
def test_a_list_headed_as_opt_outs_is_asked_about(file: Write, text: str) -> None:
    with pytest.raises(UnclearColumns, match="called or headed"):
        rows.open_file(file(text))
    assert rows.open_file(file(text), status="none")


@pytest.mark.parametrize("text", ['[{"email":"a@x.org","unsubscribed":true}]', '[\n {"email": "a@x.org"}\n]'])
def test_json_is_refused_by_its_name(file: Write, text: str) -> None:
    with pytest.raises(BadInput, match="this is JSON"):
        rows.open_file(file(text))


@pytest.mark.parametrize(
    ("text", "found", "left_out"),
    [
        ("a@x.org,b@x.org, c@x.org\nd@x.org\n", "abcd", ""),
        ("Ada <a@x.org>; Bob <b@x.org>;\n", "ab", ""),
        ("a@x.org\tb@x.org\na@x.org\n", "ab", "a"),
        ("a@x.org,Ada,b@x.org\nc@x.org,Eve,\n", "ac", "b"),
        ("Ada,a@x.org,b@x.org\nEve,c@x.org,c@x.org\n", "ac", "b"),
    ],
)
def test_every_address_on_a_line_is_taken_or_named(file: Write, text: str, found: str, left_out: str) -> None:
    read = list(rows.open_file(file(text)).chunks())
    assert {key for chunk in read for key in chunk.rows} == {f"{name}@x.org" for name in found}
    refused = [row for chunk in read for row in (*chunk.bad, *chunk.repeated)]
    assert [row.text for row in refused] == [f"{name}@x.org" for name in left_out]
    assert all(row.reason in {LEFT_OUT, "the same address as line 1"} for row in refused)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("email;Désabonné\na@x.org;Oui\nb@x.org;Non\n", "mac_roman"),
        ("Prénom;email;Désabonné\nHélène;a@x.org;Oui\nFrançois;b@x.org;Non\n", "mac_roman"),
        ("Straße;email;Zurückgewiesen\nMünchner Straße;a@x.org;ja\nGrün;b@x.org;nein\n", "mac_roman"),
        ("Año;email;Dado de baja\n1;a@x.org;sí\n2;b@x.org;no\n", "mac_roman"),
        ("Prénom;email;Désabonné\nHélène;a@x.org;Oui\nL’été – “oui”;b@x.org;Non\n", "cp1252"),
        ("Jméno;email;Odhlášen\nŠárka;a@x.org;ano\nb;b@x.org;ne\n", "utf-8"),
    ],
)
def test_the_letters_of_old_macs_are_told_from_those_of_windows(
    file: Write, text: str, encoding: str
) -> None:
    (chunk,) = rows.open_file(file(text.encode(encoding))).chunks()
    assert [row.status.name for row in chunk.rows.values()][1] == "SUBSCRIBED"
    assert chunk.rows["a@x.org"].status.name in {"UNSUBSCRIBED", "BOUNCED"}
