// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What mapping memory for a device costs, by the public API alone.
 *
 * It prints a line for each cost, its fields separated by tabs:
 *
 *   result  CASE  COST  UNIT  NS  UNITS
 *
 * NS are nanoseconds for one UNIT (bytes, where COST is "bytes"), the least or
 * the median of the repetitions, and UNITS how many were measured; "-" and 0 where this
 * backend has no such call. Time is CLOCK_MONOTONIC, which makes sense in a
 * guest whose clock counts instructions (scripts/bench), and shows nothing but
 * noise elsewhere.
 *
 * With --submissions it counts instead how often the kernel asks the IOMMU to
 * invalidate, for one call, with a line for each cost:
 *
 *   submissions  CASE  COST  call  COUNT  CALLS
 */
#include <fnmatch.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "say.h"

#define REPEATS_MAX	100u

static const char usage[] =
"Usage: iommufd_bench [OPTION...] [CASE...]\n"
"Measures the cost of mapping memory for the first NVMe controller.\n"
"\n"
"  --backend B    iommufd (default) or container\n"
"  --mib N        size of the large mappings (default: 1024, a power of 2)\n"
"  --repeats N    take the least of N runs of each case (default: 2)\n"
"  --median       take the median of them\n"
"  --submissions  count submissions to the IOMMU instead of time\n"
"  --list         print the names of these cases and do nothing else\n"
"  CASE           a pattern such as 'place-*'\n"
"                 (default: all but scale-*, threads-* and parallel-*)\n";

static const struct option options[] = {
	{ "backend", required_argument, NULL, 'b' },
	{ "mib", required_argument, NULL, 'm' },
	{ "repeats", required_argument, NULL, 'r' },
	{ "median", no_argument, NULL, 'M' },
	{ "submissions", no_argument, NULL, 's' },
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

static void set_backend(struct bench *bench, const char *name)
{
	static const struct bench_backend *const all[] = { &bench_iommufd, &bench_container };
	unsigned int i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!strcmp(all[i]->name, name))
			bench->backend = all[i];
	}
	if (strcmp(bench->backend->name, name))
		fail("there is no backend '%s'", name);
}

static void set_option(struct bench *bench, int id)
{
	switch (id) {
	case 'b':
		set_backend(bench, optarg);
		return;
	case 'm':
		bench->mib = number(optarg);
		if (bench->mib < 2 || bench->mib & (bench->mib - 1))
			fail("%zu MiB is no power of 2, or too small", bench->mib);
		return;
	case 'r':
		bench->repeats = number(optarg);
		if (bench->repeats > REPEATS_MAX)
			fail("more than %u runs are too many", REPEATS_MAX);
		return;
	case 'M':
		bench->median = true;
		return;
	case 's':
		bench->count_submissions = true;
		bench->repeats = 1;
		return;
	case 'l':
		bench->list = true;
		return;
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

static bool is_wanted(const struct bench_case *self, char **patterns)
{
	if (!*patterns)
		return !self->on_demand;
	for (; *patterns; patterns++) {
		if (!fnmatch(*patterns, self->name, 0))
			return true;
	}
	return false;
}

static int list_cases(char **patterns)
{
	const struct bench_case *self;

	for (self = bench_cases; self->name; self++) {
		if (is_wanted(self, patterns))
			puts(self->name);
	}
	return EXIT_SUCCESS;
}

static bool is_possible(const struct bench *bench, const struct bench_case *self)
{
	if (self->needs == NEEDS_IOMMUFD)
		return bench->backend == &bench_iommufd;
	if (self->needs == NEEDS_CONTAINER)
		return bench->backend == &bench_container;
	return true;
}

/* For one unit, or of submissions for one call. */
static double each(const struct bench *bench, const struct bench_cost *cost)
{
	if (bench->count_submissions)
		return (double)cost->submissions / cost->calls;
	return (double)cost->amount / cost->operations;
}

static void print_cost(const struct bench *bench, const struct bench_case *self,
		       const char *name, const struct bench_cost *cost)
{
	bool calls = bench->count_submissions;

	printf("%s\t%s\t%s\t%s\t", calls ? "submissions" : "result", self->name, name,
	       calls ? "call" : self->unit);
	if (!cost->operations || (calls && !cost->calls))
		puts("-\t0");
	else
		printf("%.2f\t%llu\n", each(bench, cost), calls ? cost->calls : cost->operations);
	fflush(stdout);
}

/* Runs of a case, the cheapest first; those that could not be done come last. */
static void sort_in(const struct bench *bench, struct bench_cost *costs, unsigned int count,
		    struct bench_cost cost)
{
	unsigned int at = count;

	while (at && cost.operations &&
	       (!costs[at - 1].operations || each(bench, &cost) < each(bench, &costs[at - 1]))) {
		costs[at] = costs[at - 1];
		at--;
	}
	costs[at] = cost;
}

static void run_case(struct bench *bench, const struct bench_case *self)
{
	static struct bench_cost sorted[BENCH_COSTS][REPEATS_MAX];
	unsigned int run, i, shown = bench->median ? bench->repeats / 2 : 0;

	memset(sorted, 0, sizeof(sorted));
	for (run = 0; run < bench->repeats && is_possible(bench, self); run++) {
		struct bench_cost cost[BENCH_COSTS] = { 0 };

		self->run(bench, self, cost);
		for (i = 0; i < BENCH_COSTS && self->costs[i]; i++)
			sort_in(bench, sorted[i], run, cost[i]);
	}
	for (i = 0; i < BENCH_COSTS && self->costs[i]; i++)
		print_cost(bench, self, self->costs[i], &sorted[i][shown]);
}

int main(int argc, char **argv)
{
	struct bench bench = { .backend = &bench_iommufd, .mib = 1024, .repeats = 2 };
	const struct bench_case *self;
	bool any = false;
	int id;

	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1)
		set_option(&bench, id);
	if (bench.list)
		return list_cases(argv + optind);

	if (bench.count_submissions && !bench_clock_count_submissions()) {
		puts("# this IOMMU's driver does not tell its submissions");
		return EXIT_SUCCESS;
	}
	bench_rig_start(&bench);
	for (self = bench_cases; self->name; self++) {
		if (!is_wanted(self, argv + optind))
			continue;
		run_case(&bench, self);
		any = true;
	}
	bench_rig_stop(&bench);
	if (!any) {
		list_cases((char *[]) { "*", NULL });
		fail("no case has such a name, but these are there");
	}
	return EXIT_SUCCESS;
}
