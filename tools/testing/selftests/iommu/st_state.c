// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What an iommufd holds, to compare before and after a call: everything in its fdinfo but
 * the refusals. That is all objects and who uses them, what is attached to what, how much
 * is mapped, pinned and charged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iommu_selftest.h"

/* Lines about the file as such, and what a refusal leaves by intention. */
static bool is_state(const char *line)
{
	return strncmp(line, "refused:", 8) && strncmp(line, "pos:", 4) &&
	       strncmp(line, "flags:", 6);
}

/* A text for st_state_is(), to be freed; NULL on failure. */
char *st_state(int fd)
{
	char path[64], *line = NULL, *state = NULL;
	size_t room = 0, size;
	FILE *in, *out;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	in = fopen(path, "re");
	if (!in)
		return NULL;
	out = open_memstream(&state, &size);
	while (out && getline(&line, &room, in) > 0)
		if (is_state(line))
			fputs(line, out);
	if (out)
		fclose(out);
	free(line);
	fclose(in);
	return state;
}

/* Each line of @a that @b does not have. */
static void print_missing(char sign, const char *a, const char *b)
{
	const char *end;
	char line[512];

	for (; *a; a = *end ? end + 1 : end) {
		end = strchrnul(a, '\n');
		snprintf(line, sizeof(line), "%.*s\n", (int)(end - a), a);
		if (!strstr(b, line))
			printf("# %c %s", sign, line);
	}
}

/* Is all as it was? Tells what is not. */
bool st_state_is(int fd, const char *before)
{
	char *now = st_state(fd);
	bool same = before && now && !strcmp(before, now);

	if (!same && before && now) {
		print_missing('-', before, now);
		print_missing('+', now, before);
	}
	free(now);
	return same;
}
