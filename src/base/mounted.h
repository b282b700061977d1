/* Where a file comes from that was mounted over another one. */
#pragma once

#include "base/common.h"

/**
 * Programs are put in place of /usr/sbin/sendmail by a bind mount too, in
 * containers and in tests. Gives the nth path, from 0, under which the same file
 * may be found elsewhere: its place on the mounted filesystem, seen through
 * another mount of that.
 *
 * False when there are no more such paths, or the system does not tell.
 */
bool mounted_from(const char *file, size_t nth, char *source, size_t space) NODISCARD;
