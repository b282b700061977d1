#include "net/tls_trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "net/anchor.h"

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

/* Not blocking: somebody may have named a FIFO. */
static int open_file(const char *path)
{
	int fd;

	do
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	while (fd < 0 && errno == EINTR);
	return fd;
}

static bool open_named(struct tls_trust *trust, const char *path,
	gnutls_certificate_credentials_t credentials, struct error *err)
{
	CLEANUP(fd_close) int fd = open_file(path);
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
		CLEANUP(fd_close) int fd = open_file(system_bundles[i]);
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

/* ---- Choosing ---- */

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

		if (!anchor_names(der, &issuer, &subject))
			continue;
		want(&w, issuer);
		want(&w, subject);
	}
	return w;
}

/* True where the block's subject is wanted, or lies too deep to be seen. */
static bool block_is_wanted(const struct anchor_block *block, const struct wanted *w)
{
	unsigned char der[PREFIX_MAX + ANCHOR_DECODE_SLACK];
	struct slice issuer, subject;
	size_t len = anchor_decode(block->body, der, PREFIX_OCTETS);

	if (anchor_names((struct slice){(const char *)der, len}, &issuer, &subject))
		return is_wanted(w, subject);
	len = anchor_decode(block->body, der, PREFIX_MAX);
	if (anchor_names((struct slice){(const char *)der, len}, &issuer, &subject))
		return is_wanted(w, subject);
	return true;
}

static void add_block(
	const struct anchor_block *block, gnutls_certificate_credentials_t credentials)
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
	struct anchor_block block = {0};
	size_t seen = 0;

	if (!trust->text)
		return true;
	while (anchor_take_block(&rest, &block)) {
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
