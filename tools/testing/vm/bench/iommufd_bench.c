// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What mapping memory for a device costs, by the public API alone.
 *
 * It prints a line for each cost, its fields separated by tabs:
 *
 *   result  CASE  COST  UNIT  NS
 *
 * NS are nanoseconds for one UNIT, the least of the repetitions. Time is
 * CLOCK_MONOTONIC, which makes sense in a guest whose clock counts
 * instructions (scripts/bench), and shows nothing but noise elsewhere.
 */
#include <fnmatch.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "say.h"

static const char usage[] =
"Usage: iommufd_bench [--mib N] [--repeats N] [--list] [CASE...]\n"
"Measures the cost of mapping memory for the first NVMe controller.\n"
"\n"
"  --mib N      size of the large mappings (default: 1024, a power of 2)\n"
"  --repeats N  take the least of N runs of each case (default: 2)\n"
"  --list       print the names of the cases\n"
"  CASE         a pattern such as 'place-*' (default: all cases)\n";

static const struct option options[] = {
	{ "mib", required_argument, NULL, 'm' },
	{ "repeats", required_argument, NULL, 'r' },
	{ "list", no_argument, NULL, 'l' },
	{ 0 },
};

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!value || *end)
		fail("'%s' is no number that makes sense here", text);
	return value;
}

static void list_cases(void)
{
	const struct bench_case *self;

	for (self = bench_cases; self->name; self++)
		puts(self->name);
}

static void set_option(struct bench *bench, int id)
{
	switch (id) {
	case 'm':
		bench->mib = number(optarg);
		if (bench->mib < 2 || bench->mib & (bench->mib - 1))
			fail("%zu MiB is no power of 2, or too small", bench->mib);
		return;
	case 'r':
		bench->repeats = number(optarg);
		return;
	case 'l':
		list_cases();
		exit(EXIT_SUCCESS);
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

static bool is_wanted(const struct bench_case *self, char **patterns)
{
	if (!*patterns)
		return true;
	for (; *patterns; patterns++) {
		if (!fnmatch(*patterns, self->name, 0))
			return true;
	}
	return false;
}

static void run_case(struct bench *bench, const struct bench_case *self)
{
	double least[BENCH_COSTS];
	unsigned int run, i;

	for (run = 0; run < bench->repeats; run++) {
		struct bench_cost cost[BENCH_COSTS] = { 0 };

		self->run(bench, self, cost);
		for (i = 0; i < BENCH_COSTS && self->costs[i]; i++) {
			double each = (double)cost[i].ns / cost[i].operations;

			if (!run || each < least[i])
				least[i] = each;
		}
	}
	for (i = 0; i < BENCH_COSTS && self->costs[i]; i++)
		printf("result\t%s\t%s\t%s\t%.2f\n", self->name, self->costs[i], self->unit,
		       least[i]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct bench bench = { .mib = 1024, .repeats = 2 };
	const struct bench_case *self;
	bool any = false;
	int id;

	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1)
		set_option(&bench, id);

	bench_rig_start(&bench);
	for (self = bench_cases; self->name; self++) {
		if (!is_wanted(self, argv + optind))
			continue;
		run_case(&bench, self);
		any = true;
	}
	bench_rig_stop(&bench);
	if (!any) {
		list_cases();
		fail("no case has such a name, but these are there");
	}
	return EXIT_SUCCESS;
}
