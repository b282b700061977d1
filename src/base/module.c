#include "base/module.h"

#include <dlfcn.h>
#include <stdio.h>

bool module_load(const char *name, const char *symbol, void **out, struct error *err)
{
	char file[64];

	snprintf(file, sizeof(file), "pillarbox-%s.so", name);

	void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	void *found = handle ? dlsym(handle, symbol) : NULL;

	if (!found) {
		const char *why = dlerror();

		error_set(err, EX_OSFILE, "cannot load the module %s: %s", file,
			why ? why : "no reason given");
		return error_hint(err,
			"install pillarbox again: its %s module or a library of it is missing",
			name);
	}
	*out = found;
	return true;
}
