#include "test.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/stream.h"

/* A machine that sleeps for an hour in the middle of every wait: the clock that
 * counts sleep goes on, the one that poll() goes by stands still. */
static struct {
	long slept_s;
	int waits;
	int longest_ms;
} machine;

int clock_gettime(clockid_t which, struct timespec *now)
{
	long result = syscall(SYS_clock_gettime, which, now);

	if (result == 0 && which == CLOCK_BOOTTIME)
		now->tv_sec += machine.slept_s;
	return (int)result;
}

int poll(struct pollfd *places, nfds_t count, int wait_ms)
{
	for (nfds_t i = 0; i < count; i++)
		places[i].revents = 0;
	/* A client that never sees the time go by is not to hang the test. */
	if (++machine.waits > 100)
		_exit(1);
	if (wait_ms > machine.longest_ms)
		machine.longest_ms = wait_ms;
	machine.slept_s += 3600;
	return 0;
}

/* a connection that died while the machine slept is found soon after, by
 * the deadline, and not after as much waking time again. */
static void time_asleep_counts(void **state UNUSED)
{
	int ends[2];
	struct slice line;
	struct error err = {0};

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);

	struct stream *s = stream_new(ends[0], "peer:587");
	int64_t deadline = clock_deadline(600 * 1000);

	assert_false(stream_read_line(s, deadline, 512, &line, &err));
	assert_int_equal(err.fate, FATE_LATER);
	assert_true(stream_is_dead(s));
	assert_in_range(machine.waits, 1, 2);
	assert_in_range(machine.longest_ms, 1, 10 * 1000);
	assert_int_equal(clock_left_ms(deadline), 0);
	stream_free(s);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_asleep_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
