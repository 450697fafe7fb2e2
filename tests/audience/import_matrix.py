"""Columns as tools and spreadsheets write them: column | cells that are an opt-out | cells that are none."""

OPT_OUT_COLUMNS = """
Unsubscribed from all email | Yes / true / TRUE / 1 / yes / x | No / false / FALSE / 0 /  / no
EMAIL_BLACKLISTED | true / 1 / Yes | false / 0 / No /
Email Opt Out | 1 / true / Opted Out | 0 / false /  / Opted In
HasOptedOutOfEmail | TRUE / 1 | FALSE / 0 /
Do not contact | yes / Y / ja / do not contact | no / N / nein /
doNotContact | 1 / 1.0 / true | 0 / 0.0 / false
Do Not Email | x / checked / ✓ / ✔ | unchecked /  / ✗ / -
DoNotBulkEMail | Do Not Allow / 1 | 0 / No
donotmail | wahr / WAHR | falsch / FALSCH
Can we email you? | No / No thanks | Yes / Yes please
May we contact you | No, thanks / nein danke | Yes, please / ja bitte
Would you like to receive our newsletter? | No thank you / No | Yes please / Yes
Keep me posted | No / non merci | Yes / oui merci
receive_weekly_digest | false | true
Mailempfang | nein / aus | ja / ein
Lettre d'information | non | oui
Ne souhaite plus recevoir | oui / x | non /
no desea recibir | Sí | No
Geen nieuwsbrief | ja | nee
Lists | Unsubscribed;VIP / News; Unsubscribed | VIP;News / VIP
Categories | Newsletter; Opted out | Newsletter;Friends
notes | please unsubscribe / Remove me / asked to be removed | met in Rome / Baja, California
Remove? | x / Y | N /
Verstorben | ja | nein /
Austrittsdatum | 31.12.2024 | /
Ausgetreten | ja / 2024-05-01 | nein /
Uppsagd | 2024-05-01 / ja | nej /
Cancellazione | sì / 2024-05-01 | no /
Cancellation date | 2024-05-01 | /
Leaving date | 01/05/2024 | 0000-00-00 /
Reason for leaving | too many emails | /
Stop Time | 2024-02-03 10:00 | /
メール配信 | 不可 / 停止 | 可
Date Unsubscribed | 2025-03-04 / 04.03.2025 / 3/4/2025 / 2025-03-04T10:11:12Z | 0000-00-00 / 1900-01-00 / NULL /
unsubscribed_time | 1741082000 / Mar 4, 2025 10:00 am | 0 / 1970-01-01 00:00:00 /
unsubscribed_at | 2025-03-04 12:00:00+00:00 / 2025年3月4日 | NaT / nan / None / 30.12.1899 / 0001-01-01T00:00:00Z
UNSUB_REASON | NORMAL / I get too many emails / spammy content | /
unsubscription_date | 2024-11-30T08:00:00Z | /
unsubscribe_reason | other | / NULL
Opt-out date | 45720 / 2025-03-04 | 0 / 1899-12-30
is_active | 0 / false / no / нет / False | 1 / true / yes / да / True
Active | FALSE / 0 / inactive | TRUE / 1 / active
Active? | N / non | Y / oui
enabled | false / disabled | true / enabled
is_subscribed | false / 0 / f / no | true / 1 / t / yes / 2024-01-01
subscribed | false / FALSE / 0 / no / unsubscribed | true / 1 / 2024-03-01 / subscribed
Subscribed | FALSCH / nein | WAHR / ja / Ja
opt_in | 0 / no / N | 1 / yes / Y / 2023-05-06 10:00
Email Marketing Consent | no / unsubscribed / denied / not subscribed / withdrawn | yes / granted / subscribed / given
accepts_marketing | no / false | yes / true
Accepts Email Marketing | no / UNSUBSCRIBED | yes / SUBSCRIBED
consent | no / revoked / 0 | yes / 1 / given
GDPR consent | false / refused | true / accepted
Permission | denied / no | granted / yes
Global status | unsubscribed / Unsubscribed / bounced | subscribed / Active
Status | Unsubscribed / cleaned / archived / Marked as spam / pending / cancelled / Unsubscribed by admin | Subscribed / ACTIVE / free / comp / gift / gifted / premium
Email status | Hard bounce / opted out / complained / unverified | confirmed / verified / opted-in
Subscription status | non-subscribed / inactive / left | active / Aktiv
state | cancelled / complained / bounced / inactive | active
Marketing contact status | Non-marketing contact | Marketing contact
status | blocklisted / disabled / blacklisted / do not contact | enabled
type | unsubscribed / unactivated / spammy / removed / undeliverable / complained | regular / premium / gifted / trialed
Suppressed | true / yes / manual opt-out | false / no /
suppression_reason | complaint / manual | /
is_blacklisted | 1 / true | 0 / false
Is this subscriber blacklisted | 1 | 0
blocked | yes / 1 / 2020-01-01 | no / 0 /
Deleted at | 2025-01-01 | / 0000-00-00 00:00:00
Hard bounce | yes / true / 2025-01-01 / hard | no / false / soft /
bounced_at | 2025-01-01T00:00:00Z | / 1970-01-01T00:00:00Z
bounce type | hard / permanent | soft / transient /
Email hard bounce reason | UNKNOWN_USER / mailbox does not exist | /
Invalid email address | true | false /
Complained | 1 / yes / 2025-02-03 | 0 / no /
Spam complaint | true | false
marked_as_spam | Y | N
spam complaints count | 1 / 3 | 0
CLEAN_REASON bounced | hard | /
email_disabled | true | false
Opted out of email: Marketing Information | true | / false
left_at | 2025-01-02 | /
Unsub | x / 1 | / 0
Abgemeldet | WAHR / ja / x / 01.02.2025 | FALSCH / nein /
Abgemeldet am | 01.02.2025 / 1. Februar 2025 | 30.12.1899 00:00 /
Newsletterabmeldung | ja / 2025-02-01 | nein /
Kein Newsletter | ja / x | nein /
Werbesperre | ja / 1 | nein / 0
Gesperrt | WAHR | FALSCH
Widerruf am | 3.4.2025 | /
Einwilligung | nein / widerrufen / FALSCH | ja / erteilt / WAHR
Zustand | abgemeldet / gesperrt / unbestätigt | angemeldet / bestätigt / Aktiv
Désabonné | VRAI / oui / Oui / 12/03/2025 | FAUX / non /
Date de désinscription | 12/03/2025 | /
Désinscrit le | 12 mars 2025 | /
Ne pas contacter | oui / VRAI | non / FAUX
Liste noire | oui | non
Abonné | non / FAUX / désabonné | oui / VRAI / abonné
Consentement | refusé / non | oui
Statut | désabonné / désinscrite / en attente / bloqué | abonné / inscrite / actif
Dado de baja | sí / VERDADERO / si | no / FALSO /
Fecha de baja | 03/04/2025 | /
No contactar | sí | no
Lista negra | verdadero | falso
Suscrito | no / FALSO / desuscrito | sí / VERDADERO
Estado de suscripción | dado de baja / baja / pendiente | alta / activo / suscrita
Disiscritto | vero / sì / VERO | falso / no /
Data disiscrizione | 03/04/2025 | /
Iscritto | no / FALSO / disiscritto | sì / VERO / iscritto
Consenso marketing | no / rifiutato / revocato | sì
Stato iscrizione | disiscritta / cancellato / in attesa | iscritta / attivo
Descadastrado | sim / VERDADEIRO | não / FALSO /
Data de descadastro | 03/04/2025 | /
Inscrito | não / descadastrado | sim / ativo
Situação | descadastrado / pendente / inativo | ativo / inscrita
Uitgeschreven | ja / WAAR | nee / ONWAAR /
Uitgeschreven op | 3-4-2025 | /
Niet mailen | ja | nee
Ingeschreven | nee / ONWAAR | ja / WAAR
Toestemming | nee | ja
Отписан | да / ИСТИНА / Да | нет / ЛОЖЬ /
Дата отписки | 03.04.2025 | /
Подписан | нет / отписан | да / подписан
Согласие на рассылку | нет / отказ | да
Статус | отписан / отписался / неактивен / заблокирован | подписан / активен / Активный
В чёрном списке | да | нет
配信停止 | はい / ✓ / 2025-03-04 | いいえ /
退会日 | 2025/03/04 | /
購読 | いいえ / 退会 | はい / 購読中
ステータス | 配信停止 / 解除済み / 仮登録 / 無効 | 有効 / 購読中 / 登録済み
退订 | 是 / 真 | 否 / 假 /
订阅 | 否 / 已退订 | 是 / 已订阅
状态 | 已退订 / 取消订阅 / 黑名单 / 未激活 | 已订阅 / 有效 / 活跃
Wypisany | tak / PRAWDA | nie / FAŁSZ /
Data rezygnacji | 2025-04-03 | /
Zgoda na newsletter | nie | tak
Status subskrypcji | wypisany / nieaktywny | zapisany / aktywny
Avregistrerad | ja / SANT | nej / FALSKT /
Prenumererar | nej | ja
Samtycke | nej | ja
Abonelikten çıktı | evet / DOĞRU | hayır / YANLIŞ /
Abone | hayır | evet
メルマガ | 希望しない | 希望する
Рассылка | нет | да
Marketing | no | yes
mail_ok | 0 | 1
Account status | suspended / deleted | ok / active
Email Suppressions | [USER_SUPPRESSED] | /
IsEmailBounced | TRUE / 1 | FALSE / 0
EmailBouncedDate | 2025-01-01 | /
IsExcludedFromCampaigns | true | false
NPAI | oui | / non
activated | 0 / no / | 1 / 2024-01-01
Stop Status | unsubscribe | /
Un subscribed | 1 / yes | 0 / no
Un-Subscribe Date | 2025-01-01 | /
Unsuscribed | yes | no
Unsubscribed by phone | yes / 2025-01-01 | no /
Consent newsletter | revoked 2021-01-01 / Withdrawn on 3 May 2021 / No (2021-01-01) / declined 2021-02-02 | 2021-01-01 / 12 mars 2025 / 1. Februar 2025 / 4 марта 2025 / Tue, 4 Mar 2025 10:00:00 GMT / Yes, 2021-01-01
Newsletter status | unsubscribed from News | subscribed to News
Status since | quit 2021 unsubscribed / unsubscribed | active / 2021-01-01
Tilmeldt status | frameldt | tilmeldt
Κατάσταση | διαγραμμένος | ενεργός
סטטוס | הוסר | פעיל
الحالة | غير مشترك | مشترك
block | 1 | 0 /
hidden | 1 | 0
suspended | 1 / true | 0 / false
module_sys_dmail_newsletter | 0 | 1
accept | 0 | 1
user_allow_massemail | 0 | 1
adminemail | 0 | 1
On Hold | 1 / On Hold Bounce / On Hold Opt Out | No / 0 /
delivery_status | by_user / by_bounces | enabled
Email permission status | Unsubscribed / Temp hold / Awaiting confirmation | Explicit / Implicit / Express
Email status | unreachable / abused / Zurückgewiesen | active
email_valid | 0 / false | 1 / true
Werbung erlaubt | nein | ja
Einverständnis | nein | ja
email_notifications | 0 / no | 1 / yes
Kündigung am | 01.02.2025 | /
do_not_disturb | 1 | 0
udate | 2025-01-01 10:00:00 | /
Status pretplate | odjavljen | pretplaćen
Odjavljen | da | ne
Trạng thái | đã hủy đăng ký | đã đăng ký
Hủy đăng ký | có | không
Berhenti berlangganan | ya | tidak
ยกเลิกการสมัคร | ใช่ | ไม่ใช่
הסרה מרשימת תפוצה | כן | לא
إلغاء الاشتراك | نعم | لا
Згода на розсилку | ні | так
Підписка | відписаний | підписаний
Съгласие | не | да
Διαγραφή | ναι | όχι
Atsisakė | taip | ne
Sutikimas | ne | taip
Hírlevél | nem | igen
Durum | abonelikten çıktı / engellendi / pasif | abone / aktif
""".strip()

# What says nothing about leaving: nobody may be lost.
HARMLESS_COLUMNS = """
SMS Marketing Consent | NEVER_SUBSCRIBED / UNSUBSCRIBED / SUBSCRIBED
phoneStatus | nonSubscribed / subscribed
emailStatusDate | 2024-01-01T00:00:00Z / / 2025-02-02T00:00:00Z
City | Baja / Szeged
Consent to track | No / Yes / Unknown
Permission to track | No / Unchanged
Cookie consent | no / yes
Subscribe Method | Import / Form
Créé le | 2024-01-01 / 2024-02-03
Dernière modification | 01/02/2024 / 03/04/2025
Última actividad | 2024-01-01 / / 2025-01-01
Geändert am | 01.02.2024 / 03.04.2025
Letzte Öffnung | 01.02.2024 /
Дата рождения | 01.02.1984 / 03.04.1990
更新日 | 2024/01/02 / 2024/02/03
Prénom | Zoë / Loïc / Zoë / Zoë / Zoë / Zoë
Город | Москва / Москва / Москва / Москва / Казань
Größe | M / L / M / M / M / M / M / M
Ημερομηνία γέννησης | 1 / x / y / z
State | CA / NY / NE / ON / OR / Texas / No
Type | customer / lead / partner
Plan | comp / gift / free / Founding / Team 2026 / monthly
Subscription tier | free / premium / gold
Country | NO / DE / IN / Norway
First name | No / Nein / Ada / Baja Smith
Language | no / en / off
Company | Spam Inc / Left Field / Cleaned Air
Last active | 2020-01-01 / / never
Bounces | 0 / 3 / 12
soft bounce count | 0 / 4
SMS_BLACKLISTED | true / false
DoNotCall | 1 / 0
WhatsApp opt-out | true / yes
DoNotPostalMail | 1
unsubscribe_url | https://example.org/u/1 / https://example.org/u/2
Unsubscribe token | abc / def
Tags | vip, left-handed / news / customer
Notes | please do not call before nine / asked about spam filters / met at a fair
Lead Status | New / Open / Bad timing
Subscribed | 2024-01-01 / 2023-02-03 10:00:00 / 01.02.2024
confirmed | yes / true / 2024-01-01
Email verified | true / 1
Signup date | 2024-01-01 / 1.2.2024
opt_in_time | 2024-01-01 / / 2020-01-01
Marketing emails bounced | 0 / 2 /
Member since | 2020 / 2021
Member | yes / no
Plan | yes / no
Newsletter | Weekly / Daily
""".strip()

# Files of tools: name | file name | header | rows, each with + (a reader) or - (none).
TOOL_FILES = """
Mailchimp, subscribed | subscribed_members_export_1.csv | Email Address,First Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LEID,EUID,NOTES,TAGS | +@,Ada,2,2024-01-01 10:00:00,203.0.113.9,2024-01-01 10:01:00,203.0.113.9,1,a,, ; +@,Bob,2,,,2024-01-01 10:01:00,203.0.113.9,2,b,,"""
TOOL_FILES += """
Mailchimp, unsubscribed | unsubscribed_members_export_1.csv | Email Address,MEMBER_RATING,CONFIRM_TIME,LEID,EUID,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_REASON | -@,2,2024-01-01 10:01:00,1,a,2025-01-01 10:00:00,News,NORMAL ; -@,2,2024-01-01 10:01:00,2,b,,,
Mailchimp, cleaned | export.csv | Email Address,MEMBER_RATING,CONFIRM_TIME,LEID,EUID,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE | -@,2,2024-01-01 10:01:00,1,a,2025-01-01 10:00:00,News ; -@,2,2024-01-01 10:01:00,2,b,,
Mailchimp, non-subscribed by name | nonsubscribed_email_audience_export_1.csv | Email Address,MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,LEID,EUID | -@,2,,2024-01-01 10:01:00,1,a
Mailchimp, non-subscribed by columns | contacts.csv | Email Address,MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,LEID,EUID | -@,2,,,1,a ; +@,2,,2024-01-01 10:01:00,2,b
Substack | email_list.csv | email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at | +@,false,,other,false,2024-01-01T00:00:00Z, ; +@,true,2027-01-01,comp,false,2024-01-01T00:00:00Z, ; +@,true,2027-01-01,gift,false,2024-01-01T00:00:00Z, ; -@,false,,other,true,2024-01-01T00:00:00Z,
Ghost | members.csv | id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers | +1,@,Ada,,true,false,,2024-01-01,,news,Free ; -2,@,Bob,,false,true,,2024-01-01,,, ; -3,@,Bob,,true,false,,2024-01-01,2025-01-01,,
beehiiv | subscribers.csv | Email,Status,Subscription Tier,Created At | +@,active,free,2024-01-01 ; +@,active,premium,2024-01-01 ; -@,inactive,free,2024-01-01 ; -@,pending,free,2024-01-01 ; -@,invalid,free,2024-01-01 ; -@,needs_attention,free,2024-01-01
Buttondown | subscribers.csv | email,type,tags,creation_date,source,unsubscription_date,undeliverability_date,churn_date | +@,regular,a,2024-01-01,form,,, ; +@,gifted,a,2024-01-01,form,,, ; +@,churned,a,2024-01-01,form,,,2025-01-01 ; -@,unsubscribed,a,2024-01-01,form,2025-01-01,, ; -@,unactivated,a,2024-01-01,form,,, ; -@,removed,a,2024-01-01,form,,, ; -@,undeliverable,a,2024-01-01,form,,2025-01-01,
Kit | kit.csv | id,first_name,email,state,created_at,tags | +1,Ada,@,active,2024-01-01,news ; -2,Bob,@,cancelled,2024-01-01, ; -3,Bob,@,bounced,2024-01-01, ; -4,Bob,@,complained,2024-01-01, ; -5,Bob,@,inactive,2024-01-01,
listmonk | listmonk.csv | uuid,email,name,attributes,status,created_at,updated_at | +u1,@,Ada,{},enabled,2024-01-01,2024-01-01 ; -u2,@,Bob,{},disabled,2024-01-01,2024-01-01 ; -u3,@,Bob,{},blocklisted,2024-01-01,2024-01-01
MailerLite | mailerlite.csv | Subscriber,Sent,Opens,Clicks,Subscribed,Location,Unsubscribed | +@,5,2,1,2024-01-01 10:00:00,DE, ; -@,5,2,1,2024-01-01 10:00:00,DE,2025-01-01 10:00:00
Brevo | brevo.csv | EMAIL;DOUBLE_OPT-IN;SMS_BLACKLISTED;EMAIL_BLACKLISTED;ADDED_TIME | +@;1;true;false;2024-01-01 ; -@;1;false;true;2024-01-01 ; -@;2;false;false;2024-01-01
HubSpot | hubspot.csv | Record ID - Contact,Email,Unsubscribed from all email,Email hard bounce reason,Marketing contact status,Lead Status,Lifecycle Stage,Marketing emails bounced | +1,@,,,Marketing contact,New,subscriber,0 ; +2,@,No,,Marketing contact,Unqualified,lead,3 ; -3,@,Yes,,Marketing contact,,lead,0 ; -4,@,,UNKNOWN_USER,Marketing contact,,lead,1 ; -5,@,,,Non-marketing contact,,lead,0
phpList | phplist.csv | ID,email,Is this subscriber confirmed,Is this subscriber blacklisted,Did this subscriber manually confirm,bounce count,Send this subscriber HTML emails | +1,@,1,0,0,0,0 ; +2,@,1,0,1,2,1 ; -3,@,1,1,1,0,1 ; -4,@,0,0,0,0,1
Mautic | mautic.csv | id,email,firstname,points,stage,doNotContact | +1,@,Ada,5,new,0 ; -2,@,Bob,5,new,1
header below a title | crm.csv | Newsletter export of 2026-11-01\\n\\nName,E-Mail,Unsubscribed | +Ada,@, ; -Bob,@,yes
no header | plain.csv | | +@,Ada,subscribed ; -@,Bob,unsubscribed ; -@,Bob,opted out
status under another name | crm.csv | email,group | +@,subscribed ; -@,unsubscribed
a word in any column | crm.csv | email,remark,city | +@,likes Tuesdays,Rome ; +@,,Bari ; -@,unsubscribed 2025-01-02,Turin ; -@,désabonné,Nice ; -@,配信停止,Tokyo
tags | crm.csv | email,tags | +@,news ; -@,"news, Unsubscribed, vip"
phpList by its questions | phplist.csv | id,email,Is this subscriber confirmed (1/0),Is this subscriber blacklisted (1/0),Did this subscriber manually confirm (1/0) | +1,@,1,0,0 ; -2,@,1,1,1 ; -3,@,0,0,0
Mautic, numbers of reasons | mautic.csv | email,points,stage,doNotContact | +@,1,,0 ; -@,1,,2 ; -@,1,,3
AWeber | aweber.csv | Email,Date Added,Date Stopped,Stop Status,Status | +@,2024-01-01,,,subscribed ; -@,2024-01-01,2025-01-01,unsubscribe,unsubscribed
separated by bars | bars.csv | email#status#tags | +@#active#x, y, z ; -@#unsubscribed#x, y
bars, without a header | bars.csv | | +@#Ada#subscribed ; -@#Bob#unsubscribed
tags separated by bars | readers.csv | email,tags | +@,x#y#z ; -@,u#unsubscribed#w
plain | readers.csv | email | +@ ; +@
two address columns | readers.csv | Email,Name,Email | +@,Mia, ; +,Ova,@
The Newsletter Plugin | export.csv | Email;Name;Surname;Gender;Status;Date;Token | +@;Ada;L;f;C;2024-01-01;x ; -@;Bob;L;m;S;2024-01-01;x ; -@;Bob;L;m;U;2024-01-01;x ; -@;Bob;L;m;B;2024-01-01;x ; -@;Bob;L;m;P;2024-01-01;x
Magento | subscribers.csv | subscriber_id,subscriber_email,subscriber_status | +1,@,1 ; -2,@,2 ; -3,@,3 ; -4,@,4
Joomla | users.csv | id,name,username,email,block,sendEmail,registerDate,activation | +1,Ada,ada,@,0,1,2024-01-01 10:00:00, ; -2,Bob,bob,@,1,1,2024-01-01 10:00:00,
TYPO3 | tt_address.csv | uid,hidden,deleted,name,email,module_sys_dmail_newsletter,module_sys_dmail_html | +1,0,0,Ada,@,1,0 ; -2,0,0,Bob,@,0,1 ; -3,1,0,Bob,@,1,1 ; -4,0,1,Bob,@,1,1
AcyMailing | acymailing.csv | email,name,created,confirmed,enabled,accept,html,source | +@,Ada,2024-01-01,1,1,1,0,form ; -@,Bob,2024-01-01,1,1,0,0,form ; -@,Bob,2024-01-01,1,0,1,0,form ; -@,Bob,2024-01-01,0,1,1,0,form
CleverReach | cleverreach.csv | email;registered;activated;deactivated;source;bounced | +@;1700000000;1700000000;0;form;0 ; -@;1700000000;1700000000;1710000000;form;0 ; -@;1700000000;0;0;form;0 ; -@;1700000000;1700000000;0;form;1
Brevo, French | contacts.csv | ADRESSE EMAIL;PRENOM;E-mail blacklisté;SMS blacklisté | +@;Ada;Non;Oui ; -@;Bob;Oui;Non
Campaign Monitor | campaign.csv | Email Address,Name,State,Date,Consent to track | +@,Ada,Active,2024-01-01,No ; -@,Bob,Unsubscribed,2024-01-01,Yes ; -@,Bob,Bounced,2024-01-01,Yes ; -@,Bob,Deleted,2024-01-01,Yes
Constant Contact | constant.csv | Email address,First name,Email status,Email permission status,Confirmed Opt-Out Date,Confirmed Opt-Out Reason | +@,Ada,Active,Explicit,, ; +@,Ada,Active,Implied,, ; -@,Bob,Unsubscribed,Unsubscribed,2025-01-01,too many ; -@,Bob,Active,Temp hold,,
Keila | contacts.csv | Email,First name,Last name,Data,Status,External ID | +@,Ada,L,{},active, ; -@,Bob,L,{},unsubscribed, ; -@,Bob,L,{},unreachable,
Klaviyo | klaviyo.csv | Email,Klaviyo ID,Email Marketing Consent,Email Suppressions | +@,1,SUBSCRIBED,[] ; -@,2,NEVER_SUBSCRIBED,[] ; -@,3,SUBSCRIBED,HARD_BOUNCE ; -@,4,UNSUBSCRIBED,UNSUBSCRIBE
Moosend | moosend.csv | Email,Name,Member status,Subscribe Method | +@,Ada,Subscribed,Import ; -@,Bob,Removed,Form ; -@,Bob,Unsubscribed,Form
Sender | sender.csv | Email,First name,Email status | +@,Ada,active ; -@,Bob,unsubscribed ; -@,Bob,spam_reported ; -@,Bob,bounced
EmailOctopus | octopus.csv | Email address,First name,Status,Tags | +@,Ada,SUBSCRIBED, ; -@,Bob,UNSUBSCRIBED, ; -@,Bob,PENDING,
several addresses on a line | plain.txt | | +@ ; +@
"""
