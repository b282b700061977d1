#include "base/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mounted.h"
#include "build_config.h"

/*
 * Where a module lies, from the folder of the running program: installed, then
 * in the build tree for programs and for tests. Whole paths, because a run path
 * would be searched for the C library as well, at each start.
 */
static const char *const places[] = {
	"../" PILLARBOX_LIBDIR "/pillarbox",
	"src/net",
	"src/mail",
	"../../src/net",
	"../../src/mail",
};

/* True when the module is there, below the folder of that program; then `path` has it. */
static bool find_beside(const char *program, const char *name, char *path, size_t space)
{
	const char *slash = strrchr(program, '/');

	if (!slash)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		int len = snprintf(path, space, "%.*s/%s/pillarbox-%s.so", (int)(slash - program),
			program, places[i], name);

		if (len > 0 && (size_t)len < space && access(path, R_OK) == 0)
			return true;
	}
	return false;
}

/* The path of a module that is there; else where it was installed to, or where
 * the program was mounted from. */
static void find_file(const char *name, char *path, size_t space)
{
	char program[PATH_MAX], source[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (len > 0) {
		program[len] = '\0';
		if (find_beside(program, name, path, space))
			return;
	}
	snprintf(path, space, "%s/pillarbox-%s.so", PILLARBOX_MODULE_DIR, name);
	if (len <= 0 || access(path, R_OK) == 0)
		return;

	char found[PATH_MAX + 80];

	for (size_t nth = 0; mounted_from(program, nth, source, sizeof(source)); nth++) {
		if (!find_beside(source, name, found, sizeof(found)))
			continue;
		snprintf(path, space, "%s", found);
		return;
	}
}

bool module_load(const char *name, const char *symbol, void **out, struct error *err)
{
	char path[PATH_MAX + 80];

	find_file(name, path, sizeof(path));

	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *found = handle ? dlsym(handle, symbol) : NULL;

	if (!found) {
		const char *why = dlerror();

		error_set(err, EX_OSFILE, "cannot load the module %s: %s", name,
			why ? why : "no reason given");
		return error_hint(err,
			"install pillarbox again: its %s module or a library of it is missing",
			name);
	}
	*out = found;
	return true;
}
