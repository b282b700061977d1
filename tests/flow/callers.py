"""Programs that call sendmail, each with the words that make it send one message.

The text BODY comes on their standard input. They stand in a table; a test
walks it. Nothing here chooses what pillarbox is called with: the caller does.
"""

from collections import namedtuple

# Dots, blanks at the end, octets beyond ASCII.
BODY = "hello\n.\n..two\nGrüße \nlast\n"
SUBJECT = "by a caller"

# needs    files that must be there, else the caller is not installed
# argv     the call; its standard input is stdin
# files    files of the machine: name -> text
# to       recipients of the envelope
# body     what arrives, decoded
# subject  what arrives; None: the caller makes it up
# sender   of the envelope; None: the caller makes it up
# tells    whether it tells that the message was refused: by its exit code, or in words
# waits    whether it waits for sendmail
Caller = namedtuple("Caller", "name needs argv stdin files to body subject sender tells waits")

BOB = "bob@example.net"
CARL = "carl@example.net"
ANN = "ann@example.test"


def caller(name, needs, argv, stdin=BODY, files=None, to=(BOB,), body=BODY, subject=SUBJECT, sender=ANN,
           tells=True, waits=True):
    return Caller(name, needs.split(), argv, stdin, files or {}, list(to), body, subject, sender, tells, waits)


def php(code):
    return ["php", "-d", "display_errors=stderr", "-r",
            "$body = file_get_contents('php://stdin'); " + code]


PHP_MAIL = """
exit(mail('bob@example.net', 'by a caller', $body,
    "Bcc: carl@example.net\\r\\nContent-Type: text/plain; charset=utf-8", '-fann@example.test') ? 0 : 1);
"""

SYMFONY = """
require '/usr/share/php/Symfony/Component/Mailer/autoload.php';
$mailer = new Symfony\\Component\\Mailer\\Mailer(Symfony\\Component\\Mailer\\Transport::fromDsn('%s'));
$mailer->send((new Symfony\\Component\\Mime\\Email())->from('ann@example.test')->to('bob@example.net')
    ->bcc('carl@example.net')->subject('by a caller')->text($body));
"""

PHPMAILER = """
require '/usr/share/php/libphp-phpmailer/autoload.php';
$mail = new PHPMailer\\PHPMailer\\PHPMailer(true);
$mail->isSendmail();
$mail->setFrom('ann@example.test', 'Ann');
$mail->addAddress('bob@example.net');
$mail->addBCC('carl@example.net');
$mail->CharSet = 'UTF-8';
$mail->Subject = 'by a caller';
$mail->Body = $body;
$mail->send();
"""

PEAR = """
require 'Mail.php';
$result = Mail::factory('sendmail')->send(array('bob@example.net', 'carl@example.net'), array(
    'From' => 'ann@example.test', 'To' => 'bob@example.net', 'Subject' => 'by a caller',
    'Content-Type' => 'text/plain; charset=utf-8'), $body);
if ($result !== true) { fwrite(STDERR, $result->getMessage()); exit(1); }
"""

NODEMAILER = """
const body = require("fs").readFileSync(0, "utf8");
require("nodemailer").createTransport({sendmail: true, path: "/usr/sbin/sendmail", newline: "%s"}).sendMail(
    {from: "ann@example.test", to: "bob@example.net", bcc: "carl@example.net", subject: "by a caller",
     text: body}, error => { if (error) { console.error(error); process.exit(1); } });
"""

RUBY = """
require "mail"
mail = Mail.new(from: "ann@example.test", to: "bob@example.net", bcc: "carl@example.net",
                subject: "by a caller", body: STDIN.read, charset: "UTF-8")
mail.delivery_method :sendmail
mail.deliver!
"""

MIME_LITE = """
use MIME::Lite;
local $/;
MIME::Lite->new(From => 'ann@example.test', To => 'bob@example.net', Bcc => 'carl@example.net',
    Subject => 'by a caller', Type => 'text/plain; charset=utf-8', Encoding => '8bit',
    Data => scalar <STDIN>)->send or die 'refused';
"""

EMAIL_SENDER = """
use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::Sendmail;
use Email::Simple;
local $/;
my $mail = Email::Simple->create(header => [From => 'ann@example.test', To => 'bob@example.net',
    Subject => 'by a caller', 'MIME-Version' => '1.0', 'Content-Type' => 'text/plain; charset=utf-8',
    'Content-Transfer-Encoding' => '8bit'], body => scalar <STDIN>);
sendmail($mail, {to => ['bob@example.net', 'carl@example.net'],
    transport => Email::Sender::Transport::Sendmail->new});
"""

MAIL_MAILER = """
use Mail::Mailer;
my $mail = Mail::Mailer->new('sendmail');
$mail->open({From => 'ann@example.test', To => 'bob@example.net', Subject => 'by a caller',
    'Content-Type' => 'text/plain; charset=utf-8'});
print $mail $_ while <STDIN>;
$mail->close or die 'refused';
"""

EMACS = """
(progn
  (setq user-mail-address "ann@example.test" user-full-name "Ann"
        message-send-mail-function 'message-send-mail-with-sendmail
        message-confirm-send nil)
  (message-mail "bob@example.net" "by a caller")
  (message-goto-body)
  (insert-file-contents "/root/body")
  (message-send))
"""

SENDMAIL_EL = """
(progn
  (setq user-mail-address "ann@example.test" user-full-name "Ann" mail-interactive t
        send-mail-function 'sendmail-send-it)
  (mail nil "bob@example.net" "by a caller")
  (goto-char (point-max))
  (insert-file-contents "/root/body")
  (mail-send))
"""

HEAD = ("From: Ann <ann@example.test>\nTo: bob@example.net\nSubject: by a caller\n"
        "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n")

BOTH = (BOB, CARL)

# For clients that take a lone dot for the end of what is typed.
DOTLESS = BODY.replace(".\n..", "..")

CALLERS = [
    caller("mutt", "/usr/bin/mutt",
           ["mutt", "-s", SUBJECT, "-b", CARL, BOB], to=BOTH,
           files={"root/.muttrc": "set from=ann@example.test\nset copy=no\nset charset=utf-8\n"}),
    caller("s-nail", "/usr/bin/s-nail",
           ["s-nail", "-Ssendwait", "-r", ANN, "-s", SUBJECT, "-b", CARL, BOB], to=BOTH),
    # It does not wait, and so cannot tell.
    caller("bsd-mailx", "/usr/bin/bsd-mailx", ["bsd-mailx", "-I", "-s", SUBJECT, "-b", CARL, BOB], to=BOTH,
           stdin=DOTLESS, body=DOTLESS, tells=False, waits=False),
    caller("mailutils", "/usr/bin/mail.mailutils",
           ["mail.mailutils", "-s", SUBJECT, "-r", ANN, "-a", "Content-Type: text/plain; charset=utf-8",
            "-a", "Bcc: " + CARL, BOB], stdin=DOTLESS, body=DOTLESS, to=BOTH),
    caller("nmh-send", "/usr/bin/mh/send", ["/usr/bin/mh/send", "/root/draft"], stdin="",
           files={"root/.mh_profile": "Path: Mail\n", "root/Mail/.keep": "", "root/draft": HEAD + BODY}),
    caller("nmh-mhmail", "/usr/bin/mh/mhmail",
           ["/usr/bin/mh/mhmail", "-from", ANN, "-subject", SUBJECT, BOB],
           files={"root/.mh_profile": "Path: Mail\n", "root/Mail/.keep": ""}),
    caller("php", "/usr/bin/php", php(PHP_MAIL), to=BOTH, body=BODY + "\n"),
    caller("php-mixed", "/usr/bin/php", ["php", "-d", "mail.mixed_lf_and_crlf=On"] + php(PHP_MAIL)[1:],
           to=BOTH, body=BODY + "\n"),
    caller("symfony-bs", "/usr/bin/php /usr/share/php/Symfony/Component/Mailer/autoload.php",
           php(SYMFONY % "sendmail://default"), to=BOTH,
           # The empty line is of its dialogue.
           body=BODY + "\n"),
    caller("symfony-t", "/usr/bin/php /usr/share/php/Symfony/Component/Mailer/autoload.php",
           php(SYMFONY % "sendmail://default?command=/usr/sbin/sendmail%20-oi%20-t"), to=BOTH),
    caller("phpmailer", "/usr/bin/php /usr/share/php/libphp-phpmailer/autoload.php", php(PHPMAILER), to=BOTH),
    caller("pear", "/usr/bin/php /usr/share/php/Mail.php /usr/share/php/PEAR.php", php(PEAR), to=BOTH),
    caller("nodemailer", "/usr/bin/node /usr/share/nodejs/nodemailer/package.json",
           ["node", "-e", NODEMAILER % "unix"], to=BOTH),
    caller("nodemailer-crlf", "/usr/bin/node /usr/share/nodejs/nodemailer/package.json",
           ["node", "-e", NODEMAILER % "windows"], to=BOTH),
    caller("ruby-mail", "/usr/bin/ruby /usr/share/rubygems-integration/all/specifications/mail-*.gemspec",
           # Version 2.7 encodes the line ends that it has made CRLF itself.
           ["ruby", "-e", RUBY], to=BOTH, body=BODY.replace("\n", "\r\n")),
    caller("mime-lite", "/usr/share/perl5/MIME/Lite.pm", ["perl", "-e", MIME_LITE], to=BOTH),
    caller("email-sender", "/usr/share/perl5/Email/Sender/Simple.pm", ["perl", "-e", EMAIL_SENDER], to=BOTH),
    caller("mail-mailer", "/usr/share/perl5/Mail/Mailer.pm", ["perl", "-e", MAIL_MAILER]),
    caller("emacs-message", "/usr/bin/emacs",
           ["emacs", "-Q", "--batch", "-l", "message", "--eval", EMACS], files={"root/body": BODY}),
    caller("emacs-sendmail", "/usr/bin/emacs",
           ["emacs", "-Q", "--batch", "-l", "sendmail", "--eval", SENDMAIL_EL], files={"root/body": BODY}),
    caller("cron's words", "/bin/sh",
           ["sh", "-c", "sed '1s/^/From: root (Cron Daemon)\\nTo: root\\nSubject: by a caller\\n\\n/' | "
            "/usr/sbin/sendmail -FCronDaemon -i -B8BITMIME -oem  root"]),
    # Neither looks at what becomes of its mail.
    caller("at", "/usr/sbin/atd /usr/bin/at", ["sh", "-c", "at -q a now && atd -s"],
           stdin="cat /root/body\n", files={"root/body": BODY}, subject=None, tells=False, waits=False),
    caller("anacron", "/usr/sbin/anacron", ["anacron", "-f", "-n", "-s", "-d", "-t", "/root/anacrontab"],
           files={"root/anacrontab": "SHELL=/bin/sh\nMAILTO=bob@example.net\n1 0 job cat /root/body\n",
                  "root/body": BODY}, subject=None, tells=False),
    caller("sudo", "/usr/bin/sudo", ["sudo", "true"], stdin="", body=None, subject=None, tells=False,
           waits=False,
           files={"etc/sudoers": 'Defaults mail_all_cmnds,mailto="bob@example.net"\nroot ALL=(ALL) ALL\n'}),
    caller("procmail", "/usr/bin/procmail", ["procmail", "-m", "/root/rules"],
           stdin="From x@y.test  Mon Feb  2 10:00:00 2026\n" + HEAD + BODY,
           files={"root/rules": ":0\n! bob@example.net\n"}, sender=None,
           # It ends a message as a mailbox needs it.
           body=BODY + "\n"),
    caller("vacation", "/usr/bin/vacation",
           ["sh", "-c", "vacation -I && exec vacation -r 0 -a ann@example.test root"],
           stdin="From bob@example.net  Mon Feb  2 10:00:00 2026\n"
                 "From: bob@example.net\nTo: ann@example.test\nSubject: x\n\nx\n",
           files={"root/.vacation.msg": "From: ann@example.test\nSubject: by a caller\n\n" + BODY},
           sender=None, tells=False, waits=False),
]
