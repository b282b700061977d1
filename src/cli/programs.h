/* The programs: each takes its command line and returns its exit code. */
#pragma once

#include "base/common.h"

/** sendmail, mailq and newaliases: see sendmail(1). */
int sendmail_main(int argc, char **argv);

/** pillarbox: see pillarbox(1). */
int pillarbox_main(int argc, char **argv);

/**
 * `pillarbox send`: takes the options of sendmail; argv[0] is "send".
 *
 * config_file  read in place of the usual files; NULL: the usual ones
 */
int pillarbox_send(int argc, char **argv, const char *config_file, bool stdin_was_open);

/** `pillarbox queue ...`; argv[0] is "queue". */
int pillarbox_queue(int argc, char **argv, const char *config_file);

/** `pillarbox check`: configuration, connection, login. */
int pillarbox_check(int argc, char **argv, const char *config_file);

/** `pillarbox explain KEY|CODE`. */
int pillarbox_explain(int argc, char **argv);
