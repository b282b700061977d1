#include "base/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* Puts the folder of the running program into `space` octets. */
static bool own_folder(char *folder, size_t space)
{
	ssize_t len = readlink("/proc/self/exe", folder, space - 1);

	if (len <= 0 || (size_t)len >= space - 1)
		return false;
	folder[len] = '\0';

	char *slash = strrchr(folder, '/');

	if (!slash)
		return false;
	*slash = '\0';
	return true;
}

/* The path of a module that is there; else where it was installed to. */
static void find_file(const char *name, char *path, size_t space)
{
	char folder[PATH_MAX];

	if (own_folder(folder, sizeof(folder))) {
		for (size_t i = 0; i < ARRAY_LEN(places); i++) {
			int len = snprintf(
				path, space, "%s/%s/pillarbox-%s.so", folder, places[i], name);

			if (len > 0 && (size_t)len < space && access(path, R_OK) == 0)
				return;
		}
	}
	snprintf(path, space, "%s/pillarbox-%s.so", PILLARBOX_MODULE_DIR, name);
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
