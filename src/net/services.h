/* SRV records (RFC 2782): reading a DNS message and putting them in order. */
#pragma once

#include "base/slice.h"
#include "net/dial.h"

struct service_record {
	uint16_t priority, weight, port;
	char target[256]; /* empty: the service is decidedly not offered */
};

/**
 * Reads the SRV records of a DNS answer; at most `space` of them. Returns their
 * number; what is malformed ends the reading, and what was read before counts.
 */
size_t services_read(struct slice message, struct service_record *records, size_t space);

/**
 * Puts records in the order in which they are to be tried: by priority, and at
 * random by weight among equals.
 *
 * draw  gives a number from 0 to `most`, each as likely as the other
 */
void services_order(struct service_record *records, size_t count, uint32_t (*draw)(uint32_t most));
