"""Columns whose names or words may say who is subscribed: column | cells, or column | opt-outs | readers."""

# Nobody can tell what they mean but the operator: the import stops and asks.
UNCLEAR_COLUMNS = """
churned | yes / no
expired | true / false
I'd like to hear about future events | No / Yes
Consent refused | yes / no
Subscription closed | 1 / 0
Opt-in rejected | true / false
Opt-in revoked | true / false
Newsletter gestoppt | ja / nein
Einwilligung zurückgezogen | ja / nein
Consentement retiré | oui / non
Suscripción cancelada | sí / no
Consenso ritirato | sì / no
Toestemming ingetrokken | ja / nee
Zgoda wycofana | tak / nie
Подписка отменена | да / нет
Samtycke återkallat | ja / nej
同意撤回 | はい / いいえ
notify | no / 0 / off / yes / 1 / on
promo | no / yes
mail | no / 0 / yes / 1
opt | out / no / in / yes
IN/OUT | OUT / IN
prefs | newsletter:no / newsletter:yes
data | {"newsletter": false} / {"newsletter": true}
(no header) | OUT / IN
(no header) | - / +
(no header) | no / yes
(no header) | 0 / 1
(no header) | N / Y
(no header) | nein / ja
(no header) | out / in
keep_on_list | no / yes
on_list | 0 / 1
still wants | no / yes
interested | no / yes
Interested in updates | No / Yes
updates | no / yes
Offers | N / Y
promotions | FALSE / TRUE
sendok | 0 / 1
send | no / yes
contact | no / yes
Contact OK | no / yes
reachable | no / yes
E-Mail? | nein / ja
emailing | non / oui
infos | non / oui
Infomail | nein / ja
Werbung | nein / ja
Post per Mail | nein / ja
Verteiler | nein / ja
im Verteiler | nein / ja
Kunde will Mails | nein / ja
Mitglied aktiv? | nein / ja
raus | ja / nein
weg | ja / nein
nicht mehr | ja / nein
Diffusion | non / oui
parti | oui / non
a quitté | oui / non
ne plus ecrire | oui / non
Envoi | non / oui
envio | no / si
recibir | no / sí
quiere correo | no / sí
se fue | sí / no
ricevere | no / sì
vuole email | no / sì
uscito | sì / no
saiu | sim / não
wil mail | nee / ja
weg uit lijst | ja / nee
chce otrzymywac | nie / tak
odszedl | tak / nie
zasilat | ne / ano
odesel | ano / ne
слать | нет / да
ушёл | да / нет
надсилати | ні / так
gönder | hayır / evet
ayrildi | evet / hayir
送信 | 不可 / いいえ / 可 / はい
配信 | × / ○
希望 | いいえ / はい
发送 | 否 / 是
保留联系 | 否 / 是
수신 | 아니오 / 예
إرسال | لا / نعم
DND | yes / no
no_more_mails | 1 / 0
Keine Infos mehr | ja / nein
not unsubscribed | no / yes
hasLeftCompany | true / false
left_company | yes / no
Left the company on | 2024-05-01 /
gone | yes / no
dead | yes / no
Role account | yes / no
to_delete | 1 / 0
Pending deletion | yes / no
Right to be forgotten | yes / no
RTBF | 1 / 0
GDPR erasure requested | yes / no
subscribed until | 2023-12-31 /
consent deleted | yes / no
Subscription ends | 2023-12-31 /
Erased at | 2024-05-01 /
status | not unsubscribed but paused / active
status | unsub pending / gone / bye / active
status | -1 / 1
tags | newsletter:no / newsletter:yes
tags | newsletter_off / newsletter_on
attributes | {"consent": {"email": false}} / {"consent": {"email": true}}
Interests | no / yes
flag | OUT / IN
flag | x /
kind | no / yes
choice | no / maybe / yes
answer | no / later / yes
col7 | N / Y
foo | false / true
ML | nein / ja
NL | nein / ja
NL? | N / J
n/l | 0 / 1
nlttr | 0 / 1
subs | no / yes
sub | 0 / 1
Subscr. | N / Y
abo | nein / ja
Abo beendet | ja / nein
Until | 2023-12-31 /
Active until | 2023-12-31 /
expires | 2023-12-31 /
ended | 2023-12-31 /
Newsletter | no / Weekly
Newsletter | none / Daily
Frequency | never / weekly
Digest frequency | never / off / weekly
Email preference | none / all
Preferred channel | none / email
wants_it | no / yes
HubSpot: Is globally ineligible | true / false
Marketing suspended until | 2025-01-01 /
wp_capabilities mail | 0 / 1
invalid | yes / no
valid | no / yes
bad | yes / no
bad address | yes / no
do not use | yes / no
dont use | yes / no
ignore | yes / no
skip | yes / no
Ausschluss | ja / nein
Abgang | 31.12.2023 /
Archiv | ja / nein
inactivated | yes / no
silent | yes / no
permission_level | none / full
legal | no / yes
agree | no / yes
ok | no / yes
okay? | n / y
mkt | 0 / 1
mktg_ok | 0 / 1
EM | N / Y
comms | no / yes
communications | no / yes
Communication preference | None / Email
announcements | off / on
alerts | off / on
subscriber_state | U / B / S
membership_end | 2024-01-01 /
monthly | no / yes
"""

# Clear by their words, whatever the column is called.
CLEAR_WORDS = """
stop | yes / 1 / x | no / 0
digest | no / 0 / none | yes / 1
Weekly digest | off / no | on / yes
quit | yes / 2024-01-01 | no /
remarks | Unsubscribed from weekly | likes Tuesdays /
contactable_by_email | no | yes
Boletin | no | sí
quer receber | não | sim
do_not_disturb | 1 | 0
DoNotMarket | true | false
noMail | 1 | 0
Kein Newsletter | ja | nein
No longer wants mail | yes | no
Deceased? | Y | N
is_deceased | 1 | 0
spam_trap | yes | no
status | deceased / left company / spam trap / role account / pending deletion | active
status | opted out again | opted back in / resubscribed
status | N/A / lapsed | active
status | 0 | 1
status | off | on
status | out | in
Status | ✗ | ✓
Status | 🚫 | ✅
Status | 👎 | 👍
Status | − | +
Status | ex-member | member
Reader state | lapsed | current
Opt-In Date | no | 2024-01-01
notes | no longer wants mail | met in Rome
notes | take me off your list please / STOP / GDPR erasure request / Removed from our mailing list | loves it / bus stop
Bemerkung | bitte keine Mails mehr schicken / will nichts mehr bekommen / hat sich abgemeldet | bekommt keine Mails mehr
Commentaire | à retirer de la liste / ne souhaite plus recevoir nos mails | cliente fidèle
observaciones | pidió que lo borremos de la lista | buen cliente
opmerking | heeft zich afgemeld | trouwe lezer
full name | Bo (DO NOT EMAIL) / Bo - unsubscribed!! | Bo (Rome) / Jean - Luc
extra | a=b;optout=1 | a=b;optout=0
Do not allow bulk emails | Do Not Allow | Allow
left because | too many mails |
Remark | do not email |
notes | please stop sending | met in Rome
notes | do not mail any more | met in Rome
notes | unsubscribed, see ticket 12 | met in Rome
notes | Opted out via phone on 3 May | met in Rome
notes | deceased | met in Rome
Bemerkung | möchte keinen Newsletter mehr | nett
Bemerkung | bitte nicht mehr anschreiben | nett
Remarque | ne souhaite plus recevoir la newsletter | sympa
tags | no newsletter / no-mail / unsub | vip
attributes | {"city": "Rome", "optin": "no"} | {"city": "Rome", "optin": "yes"}
attributes | {"unsubscribed": true} | {"unsubscribed": false}
meta | subscribed=0;lang=en | subscribed=1;lang=en
RSVP newsletter | declined | accepted
Email preferences | No emails | All emails
mailing_list | removed | on list
List | Do not send | Main
List | unsubscribes | Main
Salesforce HasOptedOutOfEmail__c | true | false
EmailOptOut__c | 1 | 0
Zoho Email Opt Out | true | false
Pipedrive marketing_status | no_consent | subscribed
Intercom unsubscribed_from_emails | true | false
woocommerce marketing opt in | no | yes
accepts_marketing_updated_at | no | 2024-01-01
Bounced? | y | n
exclude from mailing | yes | no
agb newsletter | nein | ja
note | Please take me off your mailing list / I don't want your newsletter any more | likes it
note | больше не присылать / no desea recibir correos | nice
comment | {"optout": true} | {"optout": false}
"""

# Yes and no, but of something else: the import does not stop, and nobody is lost.
OTHER_SUBJECTS = """
vip | yes / no
is_admin | 0 / 1 / true / false
has_paid | yes / no
Paid | Y / N
customer | yes / no
First name | No / Ja / Si
Country | NO
country_code | NO
Land | NO / DE
cc | NO / US
Lang | no / en
locale | no
Student | yes / no
staff | true / false
Email opens | 0 / 1
opens | 0 / 1
clicks | 1
visits | 0 / 1 / 2
order_count | 0 / 1
Orders | 1 / 0
Total spent | 0 / 1
points | 1
kids | 0 / 1 / 2
Children | yes / no
Gender | f / m
Sex | F
Size | S
Middle initial | O / J
id | 1
Contact ID | 1
Contact owner | Ada / Bob
Company | No / Ja GmbH
City | No / Bo
Nachname | Ja / Nein
stripe_connected | true / false
Premium | yes / no
verified | yes / 1
2FA enabled | yes / no
tfa | yes / no
speaker | yes / no
attendee | Yes / No
Vegetarian | yes / no
newsletter_language | no / en
Email domain | gmail.com / x.org
Referral count | 0 / 1
referrals | 0 / 1
commenting_disabled | True / False
risk_score | 0 / 1
latitude | 0 / 1
GMTOFF | 0 / 1
DSTOFF | 1 / 0
Owner | Ada / Ada
Department | No / IT
Language | no
T-shirt | S / S
VAT ID | x
Volunteer | ja / nein
Spender | ja / nein
Vorstand | ja / nein
client | oui / non
cliente | sí / no
socio | sì / no
klant | ja / nee
mobile app | yes / no
has_avatar | 0 / 1
beta_tester | true / false
trial | true / false
comp | true / false
created | 2024-01-01
last_seen | 2024-01-01
birthday | 1984-01-01
Notes | no / called twice / met in Rome / nice / ok / hm / yes
wholesale | true / false
Landline | 0 / 1
accepts_cookies | yes / no
"""
