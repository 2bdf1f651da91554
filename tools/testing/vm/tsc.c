// SPDX-License-Identifier: GPL-2.0-only
/*
 * Print the frequency of this machine's time-stamp counter in kHz.
 *
 * An emulated guest sees the same counter, and on a busy host its own
 * calibration goes wrong: the runner tells it the number.
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int main(void)
{
	double start = seconds(), now;
	unsigned long long first = __rdtsc(), last;

	do {
		now = seconds();
		last = __rdtsc();
	} while (now - start < 0.2);
	printf("%.0f\n", (last - first) / (now - start) / 1000);
	return 0;
}
