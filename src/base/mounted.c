#include "base/mounted.h"

#include <stdio.h>
#include <string.h>

#include "base/slice.h"

enum { LONGEST_LINE = 8192 };

/* The fields of a line of /proc/self/mountinfo that count here. */
struct mount {
	struct slice device; /* "major:minor" */
	struct slice root;   /* what of the filesystem is mounted */
	struct slice place;  /* where */
};

static struct mount read_line(const char *line)
{
	struct slice rest = slice_of(line);
	struct mount m;

	(void)slice_word(&rest, " "); /* the mount's number */
	(void)slice_word(&rest, " "); /* and its parent's */
	m.device = slice_word(&rest, " ");
	m.root = slice_word(&rest, " ");
	m.place = slice_word(&rest, " \n");
	return m;
}

/* Seen through m, the file's place on its filesystem is this path. */
static bool looks_through(
	const struct mount *m, const struct mount *file, char *source, size_t space)
{
	struct slice root = m->root;
	struct slice place = m->place;

	if (root.len == 1)
		root.len = 0;
	if (place.len == 1)
		place.len = 0;
	if (!slice_eq(m->device, file->device) || slice_eq(m->place, file->place) ||
		!slice_starts(file->root, root) || file->root.len <= root.len ||
		file->root.ptr[root.len] != '/')
		return false;

	struct slice rest = slice_from(file->root, root.len);
	int len = snprintf(source, space, "%.*s%.*s", SLICE_ARG(place), SLICE_ARG(rest));

	return len > 0 && (size_t)len < space;
}

/* Finds the last mount on that very file. */
static bool find_mount(FILE *mounts, const char *file, char *line, struct mount *out)
{
	char next[LONGEST_LINE];
	bool found = false;

	while (fgets(next, sizeof(next), mounts)) {
		struct mount m = read_line(next);

		if (!slice_eq(m.place, slice_of(file)))
			continue;
		memcpy(line, next, sizeof(next));
		*out = read_line(line);
		found = true;
	}
	return found;
}

bool mounted_from(const char *file, size_t nth, char *source, size_t space)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char own[LONGEST_LINE], next[LONGEST_LINE];
	struct mount of_file;
	bool found = false;

	if (!mounts)
		return false;
	if (find_mount(mounts, file, own, &of_file)) {
		rewind(mounts);
		while (!found && fgets(next, sizeof(next), mounts)) {
			struct mount m = read_line(next);

			if (looks_through(&m, &of_file, source, space))
				found = nth-- == 0;
		}
	}
	fclose(mounts);
	return found;
}
