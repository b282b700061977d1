#include "net/tls_trust.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"

enum {
	TRUST_FILE_MAX = 64 << 20,
	/* A peer's chain that is longer does not verify anyway. */
	CHAIN_MAX = 16,
	/* Most certificates have their names within this much. */
	PREFIX_OCTETS = 360,
	/* Anchors whose names lie deeper are loaded unseen. */
	PREFIX_MAX = 4096,
};

/* Names whose anchors are wanted, as they are encoded. */
struct wanted {
	struct slice names[2 * CHAIN_MAX];
	size_t count;
};

/* Where systems keep their bundle, the most common first. */
static const char *const system_bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",                /* Debian, Arch, Alpine, Gentoo */
	"/etc/pki/tls/certs/ca-bundle.crt",                  /* Fedora and its kin */
	"/etc/ssl/ca-bundle.pem",                            /* openSUSE */
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* the same, newer */
	"/etc/ssl/cert.pem",                                 /* the BSDs, Alpine */
	"/usr/local/share/certs/ca-root-nss.crt",            /* FreeBSD ports */
	"/usr/local/etc/ssl/cert.pem",
};

/* ---- Opening ---- */

static bool read_bundle(
	struct tls_trust *trust, int fd, const char *path, off_t size, struct error *err)
{
	if (size > TRUST_FILE_MAX)
		return error_set(err, EX_CONFIG, "trust file '%s' is larger than 64 MiB", path);

	char *text = mem_alloc((size_t)size + 1);
	size_t have = 0;

	for (size_t got = 1; got > 0 && have < (size_t)size; have += got) {
		if (file_read(fd, text + have, (size_t)size - have, &got, path, err))
			continue;
		free(text);
		err->exit_code = EX_CONFIG;
		return false;
	}
	trust->text = text;
	trust->octets = have;
	trust->path = path;
	return true;
}

static bool load_directory(struct tls_trust *trust, const char *path,
	gnutls_certificate_credentials_t credentials, struct error *err)
{
	int count = gnutls_certificate_set_x509_trust_dir(credentials, path, GNUTLS_X509_FMT_PEM);

	if (count < 0)
		return error_set(err, EX_CONFIG, "cannot read trust directory '%s': %s", path,
			gnutls_strerror(count));
	if (count == 0)
		return error_set(err, EX_CONFIG, "trust directory '%s' holds no certificate", path);
	trust->path = path;
	return true;
}

static bool load_system(
	struct tls_trust *trust, gnutls_certificate_credentials_t credentials, struct error *err)
{
	int count = gnutls_certificate_set_x509_system_trust(credentials);

	if (count <= 0) {
		error_set(err, EX_CONFIG, "this system has no trusted certificates: %s",
			count < 0 ? gnutls_strerror(count) : "the store is empty");
		return error_hint(
			err, "install the package ca-certificates, or set tls_trust_file");
	}
	trust->path = "the system's store";
	return true;
}

static bool open_named(struct tls_trust *trust, const char *path,
	gnutls_certificate_credentials_t credentials, struct error *err)
{
	/* Not blocking: somebody may have named a FIFO. */
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, EX_CONFIG, "cannot open trust file '%s'", path);
	trust->is_explicit = true;
	if (S_ISDIR(st.st_mode))
		return load_directory(trust, path, credentials, err);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EX_CONFIG, "trust file '%s' is not a regular file", path);
	return read_bundle(trust, fd, path, st.st_size, err);
}

bool tls_trust_open(struct tls_trust *trust, const char *path,
	gnutls_certificate_credentials_t credentials, struct error *err)
{
	if (path)
		return open_named(trust, path, credentials, err);
	for (size_t i = 0; i < ARRAY_LEN(system_bundles); i++) {
		CLEANUP(fd_close)
		int fd = open(system_bundles[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		struct stat st;

		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
			continue;
		return read_bundle(trust, fd, system_bundles[i], st.st_size, err);
	}
	return load_system(trust, credentials, err);
}

void tls_trust_done(struct tls_trust *trust)
{
	free(trust->text);
	*trust = (struct tls_trust){0};
}

/* ---- Names in certificates ---- */

/*
 * Takes one element of DER off *rest: its tag, its contents, and the whole of
 * it. False where it is cut off or longer than its surroundings.
 */
static bool take_element(
	struct slice *rest, unsigned char *tag, struct slice *contents, struct slice *whole)
{
	const unsigned char *at = (const unsigned char *)rest->ptr;
	size_t header = 2;

	if (rest->len < header)
		return false;

	size_t len = at[1];

	if (len >= 0x80) {
		size_t digits = len - 0x80;

		if (digits < 1 || digits > 3 || rest->len < header + digits)
			return false;
		len = 0;
		for (size_t i = 0; i < digits; i++)
			len = len << 8 | at[2 + i];
		header += digits;
	}
	*tag = at[0];
	*contents = slice_from(*rest, header);
	if (contents->len < len) {
		*whole = (struct slice){0};
		return false;
	}
	*contents = slice_upto(*contents, len);
	*whole = slice_upto(*rest, header + len);
	*rest = slice_from(*rest, header + len);
	return true;
}

/* Enters an element whose end may lie behind what was decoded. */
static bool enter_sequence(struct slice *rest)
{
	struct slice outer = *rest, contents = {0}, whole;
	unsigned char tag = 0;

	(void)!take_element(&outer, &tag, &contents, &whole);
	*rest = contents;
	return tag == 0x30 && contents.len > 0;
}

/* Issuer and subject of a certificate whose front lies in `der` (RFC 5280 section 4.1). */
static bool find_names(struct slice der, struct slice *issuer, struct slice *subject)
{
	struct slice rest = der, contents, whole;
	unsigned char tag;

	if (!enter_sequence(&rest) || !enter_sequence(&rest))
		return false;
	if (!take_element(&rest, &tag, &contents, &whole))
		return false;
	/* The version stands in front of the serial number where it is not 1. */
	if (tag == 0xa0 && !take_element(&rest, &tag, &contents, &whole))
		return false;
	return take_element(&rest, &tag, &contents, &whole) && /* signature */
	       take_element(&rest, &tag, &contents, issuer) &&
	       take_element(&rest, &tag, &contents, &whole) && /* validity */
	       take_element(&rest, &tag, &contents, subject);
}

static void want(struct wanted *w, struct slice name)
{
	for (size_t i = 0; i < w->count; i++)
		if (slice_eq(w->names[i], name))
			return;
	if (w->count < ARRAY_LEN(w->names))
		w->names[w->count++] = name;
}

static bool is_wanted(const struct wanted *w, struct slice name)
{
	for (size_t i = 0; i < w->count; i++)
		if (slice_eq(w->names[i], name))
			return true;
	return false;
}

static struct wanted names_of_chain(const gnutls_datum_t *chain, unsigned count)
{
	struct wanted w = {0};

	for (unsigned i = 0; i < count && i < CHAIN_MAX; i++) {
		struct slice der = {(const char *)chain[i].data, chain[i].size};
		struct slice issuer, subject;

		if (!find_names(der, &issuer, &subject))
			continue;
		want(&w, issuer);
		want(&w, subject);
	}
	return w;
}

/* ---- Reading PEM ---- */

/* What is no digit of base64, in the low octet of the table below. */
enum { DIGIT_BLANK = 1, DIGIT_NONE = 2, DIGIT_FLAGS = 255 };

/* The value of each digit at each of the four places of a group, which stands
 * in the upper three octets. */
struct digit_table {
	uint32_t at[4][256];
};

static const struct digit_table *digit_table(void)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char blanks[] = " \t\r\n";
	static struct digit_table table;

	if (table.at[3]['B'] != 0)
		return &table;
	for (size_t place = 0; place < 4; place++) {
		for (size_t i = 0; i < 256; i++)
			table.at[place][i] = DIGIT_NONE;
		for (size_t i = 0; i < sizeof(blanks) - 1; i++)
			table.at[place][(unsigned char)blanks[i]] = DIGIT_BLANK;
		for (uint32_t i = 0; i < sizeof(digits) - 1; i++)
			table.at[place][(unsigned char)digits[i]] = i << (6 * (3 - place) + 8);
	}
	return &table;
}

/* Four digits in a row, or a value with the bits of DIGIT_BLANK or DIGIT_NONE. */
static uint32_t read_group(const struct digit_table *table, const unsigned char *at)
{
	return table->at[0][at[0]] | table->at[1][at[1]] | table->at[2][at[2]] |
	       table->at[3][at[3]];
}

/* Puts the three octets of a group and one more that does not count. */
static void put_group(unsigned char *out, uint32_t group)
{
	uint32_t octets = htonl(group);

	memcpy(out, &octets, sizeof(octets));
}

/*
 * Decodes the front of a base64 text, at most about `space` octets; out has
 * room for four more. This is the hot loop of every connection, which looks at
 * a hundred certificates and more.
 */
static size_t decode_front(struct slice text, unsigned char *out, size_t space)
{
	const struct digit_table *table = digit_table();
	const unsigned char *at = (const unsigned char *)text.ptr;
	const unsigned char *end = at + text.len;
	size_t len = 0;

	while (end - at >= 4 && len < space) {
		uint32_t group = read_group(table, at);
		size_t held = 0;

		if ((group & DIGIT_FLAGS) == 0) {
			put_group(out + len, group);
			len += 3;
			at += 4;
			continue;
		}
		/* A line end is in it, mostly in front. */
		for (group = 0; held < 4 && at < end; at++) {
			uint32_t digit = table->at[3][*at];

			if (digit == DIGIT_NONE)
				return len;
			if (digit == DIGIT_BLANK)
				continue;
			group |= digit << (6 * (3 - held));
			held++;
		}
		if (held < 4)
			break;
		put_group(out + len, group);
		len += 3;
	}
	return len;
}

/* One block of a PEM file. */
struct pem_block {
	struct slice label; /* "CERTIFICATE" */
	struct slice body;  /* base64 between the lines of dashes */
	struct slice whole; /* with these lines */
};

/* Takes the next block off *rest; its label is empty where it is malformed. */
static bool take_block(struct slice *rest, struct pem_block *block)
{
	static const struct slice begin = {"-----BEGIN ", 11}, dashes = {"-----", 5},
				  end = {"-----END ", 9};
	struct slice whole = slice_from(*rest, slice_search(*rest, begin));
	struct slice after = slice_from(whole, begin.len);
	size_t label_octets = slice_search(slice_upto(after, 64), dashes);

	*block = (struct pem_block){0};
	if (whole.len == 0)
		return false;

	/* No dash is a digit of base64. */
	struct slice text = slice_from(after, label_octets + dashes.len);
	struct slice tail = slice_from(text, slice_find(text, '-'));

	*rest = tail;
	if (!slice_starts(tail, end))
		return true;
	tail = slice_from(tail, end.len);
	*rest = slice_from(tail, slice_search(slice_upto(tail, 64), dashes) + dashes.len);
	block->label = slice_upto(after, label_octets);
	block->body = slice_upto(text, slice_find(text, '-'));
	block->whole = slice_upto(whole, whole.len - rest->len);
	return true;
}

/* True where the block's subject is wanted, or lies too deep to be seen. */
static bool block_is_wanted(const struct pem_block *block, const struct wanted *w)
{
	unsigned char der[PREFIX_MAX + 4];
	struct slice issuer, subject;
	size_t len = decode_front(block->body, der, PREFIX_OCTETS);

	if (find_names((struct slice){(const char *)der, len}, &issuer, &subject))
		return is_wanted(w, subject);
	len = decode_front(block->body, der, PREFIX_MAX);
	if (find_names((struct slice){(const char *)der, len}, &issuer, &subject))
		return is_wanted(w, subject);
	return true;
}

static void add_block(const struct pem_block *block, gnutls_certificate_credentials_t credentials)
{
	gnutls_datum_t text = {.size = (unsigned)block->whole.len};

	memcpy(&text.data, &block->whole.ptr, sizeof(text.data));
	/* A block that is no certificate is an anchor less, no fault. */
	(void)gnutls_certificate_set_x509_trust_mem(credentials, &text, GNUTLS_X509_FMT_PEM);
}

bool tls_trust_load(struct tls_trust *trust, const gnutls_datum_t *chain, unsigned count,
	gnutls_certificate_credentials_t credentials, struct error *err)
{
	struct wanted w = names_of_chain(chain, count);
	struct slice rest = {trust->text, trust->octets};
	struct pem_block block = {0};
	size_t seen = 0;

	if (!trust->text)
		return true;
	while (take_block(&rest, &block)) {
		if (!slice_eq(block.label, SLICE("CERTIFICATE")) &&
			!slice_eq(block.label, SLICE("X509 CERTIFICATE")))
			continue;
		seen++;
		if (block_is_wanted(&block, &w))
			add_block(&block, credentials);
	}
	if (seen > 0)
		return true;
	if (trust->is_explicit)
		return error_set(
			err, EX_CONFIG, "trust file '%s' holds no PEM certificate", trust->path);
	return load_system(trust, credentials, err);
}
