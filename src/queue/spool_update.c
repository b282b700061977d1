#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "queue/spool_inner.h"

/* A record that cannot be written: a full disk passes, other faults do not. */
static bool record_fault(const struct spool_item *item, const char *verb, struct error *err)
{
	return error_errno(err, errno == ENOSPC || errno == EDQUOT ? EX_TEMPFAIL : EX_IOERR,
		"cannot %s the queue entry %s", verb, item->id);
}

static bool sync_data(const struct spool_item *item, struct error *err)
{
	int result;

	do
		result = fdatasync(item->fd);
	while (spool_again(result));
	return result == 0 || record_fault(item, "sync", err);
}

bool spool_write_states(struct spool_item *item, bool sync, struct error *err)
{
	struct entry *e = &item->entry;
	bool has_written = false;

	for (size_t i = 0; i < e->envelope.count; i++) {
		const struct recipient *r = &e->envelope.recipients[i];
		char state = (char)r->state;

		/* F means that the sender was told: a crash before that must leave a
		 * recipient who is refused again, and told of then. */
		if (e->recorded_states[i] == state || (state == RECIPIENT_FAILED && !r->is_told))
			continue;
		if (!file_write_at(item->fd, (struct slice){&state, 1}, e->recipient_offsets[i],
			    item->id, err))
			return record_fault(item, "update", err);
		e->recorded_states[i] = state;
		has_written = true;
	}
	if (!sync || !has_written || sync_data(item, err))
		return true;
	/* After an error nobody knows what is on disk: the next record writes all of it. */
	memset(e->recorded_states, 0, e->envelope.count);
	return false;
}

bool spool_write_status(struct spool_item *item, int64_t next, struct error *err)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = (time_t)next}};
	char line[ENTRY_STATUS_OCTETS];

	entry_format_status(&item->entry.status, line);
	if (!file_write_at(item->fd, (struct slice){line, sizeof(line)}, item->entry.status_offset,
		    item->id, err))
		return record_fault(item, "update", err);
	if (futimens(item->fd, times) < 0)
		return record_fault(item, "set the time of", err);
	item->next = next;
	return true;
}

static int directory_of(const struct spool *s, const struct spool_item *item)
{
	return item->in_failed ? s->failed : s->dir;
}

bool spool_remove(struct spool *s, struct spool_item *item, struct error *err)
{
	return spool_unlink(directory_of(s, item), item->id) ||
	       spool_fault(s, item->in_failed, "remove", item->id, err);
}

/* A copy of the same name, put there by hand, is not overwritten. */
static bool is_free(
	struct spool *s, int dir, bool failed, const struct spool_item *item, struct error *err)
{
	struct stat ours, there;

	if (fstatat(dir, item->id, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || spool_fault(s, failed, "look at", item->id, err);
	if (fstat(item->fd, &ours) == 0 && spool_same_file(&ours, &there))
		return true;
	errno = EEXIST;
	return spool_fault(s, failed, "move an entry to", item->id, err);
}

bool spool_move(struct spool *s, struct spool_item *item, bool to_failed, struct error *err)
{
	int from = directory_of(s, item), to = -1;
	bool was_failed = item->in_failed;
	struct stat st;

	if (was_failed == to_failed)
		return true;
	if (!spool_directory(s, to_failed, true, &to, err) || !is_free(s, to, to_failed, item, err))
		return false;
	if (futimens(item->fd, NULL) < 0 || fstat(item->fd, &st) < 0)
		return record_fault(item, "set the time of", err);
	item->next = st.st_mtim.tv_sec;
	if (!spool_rename(from, item->id, to, item->id, item->fd))
		return spool_fault(s, was_failed, "move", item->id, err);
	item->in_failed = to_failed;
	return spool_sync_directory(s, to, to_failed, err) &&
	       spool_sync_directory(s, from, was_failed, err);
}

bool spool_bury(struct spool *s, struct spool_item *item, struct error *err)
{
	char temp[SPOOL_ID_SPACE + 4] = "tmp.";
	int dir = directory_of(s, item);

	for (size_t i = 0; i < sizeof(item->id); i++)
		temp[4 + i] = item->id[i];
	if (spool_unlink(dir, item->id) || spool_rename(dir, item->id, dir, temp, item->fd) ||
		fchmod(item->fd, 0) == 0)
		return true;
	return spool_fault(s, item->in_failed, "put out of use", item->id, err);
}
