#include "submit/stop.h"

#include <signal.h>

static volatile sig_atomic_t was_asked;

static void note(UNUSED int signal_number)
{
	was_asked = 1;
}

void stop_watch(void)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	struct sigaction action = {.sa_handler = note};
	struct sigaction old;

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
}

bool stop_is_asked(void)
{
	return was_asked != 0;
}
