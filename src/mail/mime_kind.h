/* What a MIME part is, as its header says. */
#pragma once

#include "base/buf.h"
#include "mail/mime.h"

/**
 * Sets kind, transfer, bar and the claims about the type of `part` from its
 * header block (canonical lines, all of them fields); has_blank is set already.
 *
 * default_message  without a type it is message/rfc822, not text/plain
 * may_nest         it may be taken apart further, as far as depth goes
 * boundary         gets the boundary of a multipart; its ceiling is the limit
 */
void mime_classify(struct mime_part *part, struct slice block, bool default_message, bool may_nest,
	struct buf *boundary);
