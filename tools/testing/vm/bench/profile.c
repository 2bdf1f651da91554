// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A plugin for QEMU's emulation: what each block of code executes while the
 * benchmark measures.
 *
 *   -plugin file=profile.so,start=ADDRESS,stop=ADDRESS,out=FILE
 *
 * ADDRESS are those of the two empty functions that bench_clock.c calls before
 * and after what it measures. FILE gets a line "measured" at the end of each
 * measurement, and before it a line for each block that ran in it:
 *
 *   ADDRESS INSTRUCTIONS
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin.h"

#define API_VERSION	3		/* QEMU 9.0 */
#define BUCKETS		65536u

EXPORT int qemu_plugin_version = API_VERSION;

/* A block of code, which may be translated more than once. */
struct block {
	struct block *next;
	uint64_t address;
	uint64_t length;		/* instructions */
	uint64_t runs;
};

static struct block *blocks[BUCKETS];
static uint64_t start_address, stop_address;
static bool measuring;
static FILE *out;

static struct block *block_find(uint64_t address, uint64_t length)
{
	struct block **head = &blocks[(address ^ address >> 16) % BUCKETS];
	struct block *block;

	for (block = *head; block; block = block->next) {
		if (block->address == address && block->length == length)
			return block;
	}
	block = calloc(1, sizeof(*block));
	if (!block)
		abort();
	block->address = address;
	block->length = length;
	block->next = *head;
	*head = block;
	return block;
}

static void block_runs(unsigned int cpu, void *data)
{
	struct block *block = data;

	(void)cpu;
	if (measuring)
		block->runs++;
}

static void forget(void)
{
	struct block *block;
	size_t i;

	for (i = 0; i < BUCKETS; i++) {
		for (block = blocks[i]; block; block = block->next)
			block->runs = 0;
	}
}

static void tell(void)
{
	struct block *block;
	size_t i;

	for (i = 0; i < BUCKETS; i++) {
		for (block = blocks[i]; block; block = block->next) {
			if (block->runs)
				fprintf(out, "%" PRIx64 " %" PRIu64 "\n", block->address,
					block->runs * block->length);
		}
	}
	fputs("measured\n", out);
	fflush(out);
}

static void measurement_starts(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	forget();
	measuring = true;
}

static void measurement_stops(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	if (measuring)
		tell();
	measuring = false;
}

/* Called as QEMU translates a block; blocks begin where functions are entered. */
static void block_translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb);
	void (*cb)(unsigned int cpu, void *data) = block_runs;
	void *data = NULL;

	(void)id;
	if (address == start_address)
		cb = measurement_starts;
	else if (address == stop_address)
		cb = measurement_stops;
	else
		data = block_find(address, qemu_plugin_tb_n_insns(tb));
	qemu_plugin_register_vcpu_tb_exec_cb(tb, cb, 0, data);
}

static void finish(plugin_id id, void *data)
{
	(void)id;
	(void)data;
	fclose(out);
}

/* Is it the argument of this name? Then this is its value. */
static bool is_value_of(const char *argument, const char *name, const char **value)
{
	size_t length = strlen(name);

	*value = argument + length + 1;
	return !strncmp(argument, name, length) && argument[length] == '=';
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	const char *value;
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		if (is_value_of(argv[i], "start", &value))
			start_address = strtoull(value, NULL, 16);
		else if (is_value_of(argv[i], "stop", &value))
			stop_address = strtoull(value, NULL, 16);
		else if (is_value_of(argv[i], "out", &value))
			out = fopen(value, "w");
	}
	if (!start_address || !stop_address || !out) {
		fprintf(stderr, "profile: start=, stop= and out= are needed\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
