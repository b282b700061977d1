/* An answer of the DNS. */
#include <stdlib.h>
#include <string.h>

#include "net/services.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t draw(uint32_t most)
{
	return most / 3;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct service_record records[32];
	size_t count = services_read((struct slice){(const char *)data, size}, records, 32);

	services_order(records, count, draw);
	for (size_t i = 1; i < count; i++)
		if (records[i].priority < records[i - 1].priority)
			abort();
	return 0;
}
