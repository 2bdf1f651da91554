// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Running tables of answers, see st_table.h, and printing them.
 *
 * Each row is run in a process of its own, so that whatever it leaves behind is
 * gone before the next one, and a row that hangs is only that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "st_table.h"

#define ROW_TIMEOUT	60

static const char *const server_names[] = {
	[ST_TYPE1] = "type1",
	[ST_SHIM] = "upstream's shim",
	[ST_OURS] = "ours",
	[ST_NATIVE] = "ours, by /dev/iommu",
};

static const char *const nodes[] = { ST_CONTAINER_NODE, ST_IOMMUFD_NODE };

/* Where the process of a row writes its answer. */
static int answer_pipe = -1;

/* Add to the answer. */
void st_say(struct st_trial *t, const char *format, ...)
{
	size_t used = strlen(t->answer);
	va_list args;

	if (used)
		used += snprintf(t->answer + used, sizeof(t->answer) - used, ", ");
	if (used >= sizeof(t->answer))
		return;
	va_start(args, format);
	vsnprintf(t->answer + used, sizeof(t->answer) - used, format, args);
	va_end(args);
}

/* Add what a call returned: a number, or the name of an errno. */
void st_say_rc(struct st_trial *t, long long rc)
{
	const char *name = rc < 0 ? strerrorname_np(-rc) : NULL;

	if (name)
		st_say(t, "%s", name);
	else
		st_say(t, "%lld", rc);
}

/* Add a size in bytes, in pages where it is some. */
void st_say_size(struct st_trial *t, const char *what, long long size)
{
	if (size < 0 || size % (long long)st_page)
		st_say(t, "%s %lld", what, size);
	else if (!size)
		st_say(t, "%s 0", what);
	else
		st_say(t, "%s %lldp", what, size / (long long)st_page);
}

static void deliver(const struct st_trial *t)
{
	if (write(answer_pipe, t->answer, strlen(t->answer)) < 0)
		_exit(1);
	_exit(0);
}

/* End the row because what should only prepare it failed. */
void st_give_up(struct st_trial *t, const char *what, int rc)
{
	st_say(t, "%s", what);
	st_say_rc(t, rc);
	deliver(t);
	abort();
}

/* From here on without CAP_IPC_LOCK, and with this limit. */
void st_be_limited(struct st_trial *t, __u64 memlock)
{
	int rc = st_limit_memlock(memlock);

	if (rc)
		st_give_up(t, "cannot limit", rc);
}

static void must(struct st_trial *t, const char *what, int rc)
{
	if (rc)
		st_give_up(t, what, rc);
}

/* Bring the container to where the row begins. */
static void prepare(struct st_trial *t, enum st_from from)
{
	struct st_container *c = &t->c;

	must(t, "no device", st_group_find(&c->group, ST_EDU));
	if (from == ST_FROM_NOTHING)
		return;
	must(t, "no container", st_container_open(c, t->node));
	must(t, "no device", st_group_find(&c->group, ST_EDU));
	if (from == ST_FROM_OPEN)
		return;
	must(t, "cannot join", st_container_join(c, ST_EDU));
	if (from == ST_FROM_JOINED)
		return;
	must(t, "cannot set", st_container_set(c, t->type));
	if (from == ST_FROM_DEVICE)
		must(t, "cannot open the device", st_container_device(c));
	if (from == ST_FROM_DMA)
		must(t, "cannot start the device", st_container_edu(c));
}

static void run_row(const struct st_row *row, const struct st_trial *trial)
{
	struct st_trial t = *trial;

	alarm(ROW_TIMEOUT);
	t.arg = row->arg;
	prepare(&t, row->from);
	row->run(&t);
	deliver(&t);
}

/* Run one row and leave its answer in @t. */
static void ask(const struct st_row *row, struct st_trial *t)
{
	size_t used = 0;
	ssize_t got;
	int fds[2];
	pid_t pid;

	t->answer[0] = 0;
	fflush(stdout);
	if (pipe2(fds, O_CLOEXEC))
		ksft_exit_fail_msg("no pipe\n");
	pid = fork();
	if (!pid) {
		close(fds[0]);
		answer_pipe = fds[1];
		run_row(row, t);
	}
	close(fds[1]);
	while ((got = read(fds[0], t->answer + used, sizeof(t->answer) - 1 - used)) > 0)
		used += got;
	t->answer[used] = 0;
	close(fds[0]);
	waitpid(pid, NULL, 0);
	if (!used)
		st_say(t, "no answer");
}

/* What the table says that @server answers. */
static const char *expected(const struct st_row *row, enum st_server server)
{
	const char *ours = row->ours ?: row->type1;

	switch (server) {
	case ST_TYPE1:
		return row->type1;
	case ST_SHIM:
		return row->shim ?: row->type1;
	case ST_OURS:
		return ours;
	default:
		return row->native ?: ours;
	}
}

/* Rows about the node itself are not for /dev/iommu. */
static bool is_left_out(const struct st_row *row, enum st_server server)
{
	return server == ST_NATIVE && row->native && !strcmp(row->native, "-");
}

/* Does /dev/iommu answer something else than /dev/vfio/vfio? */
static bool is_split(const struct st_row *row)
{
	return row->native && !is_left_out(row, ST_NATIVE) &&
	       strcmp(row->native, expected(row, ST_OURS));
}

static bool holds_for(const struct st_row *row, unsigned long type)
{
	if (type == VFIO_TYPE1_IOMMU)
		return row->types == ST_BOTH || row->types == ST_V1;
	return row->types != ST_V1;
}

static void test_row(struct st_trial *t, const struct st_section *section,
		     const struct st_row *row)
{
	const char *wanted = expected(row, t->server);
	struct st_counters before;
	bool clean;

	st_counters(&before);
	ask(row, t);
	clean = st_counters_are(&before);
	if (wanted && strcmp(wanted, t->answer))
		ksft_print_msg("wanted \"%s\"\n", wanted);
	if (!clean)
		ksft_print_msg("left pages pinned\n");
	ksft_test_result(clean && wanted && !strcmp(wanted, t->answer), "%s %s%s: %s = %s\n",
			 server_names[t->server],
			 row->types == ST_ONCE ? "" :
			 t->type == VFIO_TYPE1_IOMMU ? "v1 " : "v2 ",
			 section->title, row->name, t->answer);
}

typedef void (*visit_t)(struct st_trial *t, const struct st_section *section,
			const struct st_row *row);

static void visit_rows(const struct st_section *sections, unsigned int count,
		       struct st_trial *t, visit_t visit)
{
	unsigned int i, j;

	for (i = 0; i < count; i++)
		for (j = 0; j < sections[i].count; j++)
			if (holds_for(&sections[i].rows[j], t->type) &&
			    !is_left_out(&sections[i].rows[j], t->server))
				visit(t, &sections[i], &sections[i].rows[j]);
}

/*
 * Who serves a node, an enum st_server; -errno when nobody does, which is also so
 * where a 32-bit program is not understood.
 */
int st_find_server(const char *node)
{
	bool is_vfio = !strcmp(node, ST_CONTAINER_NODE);
	int fd = open(node, O_RDWR | O_CLOEXEC);
	enum st_server server;
	__u32 ioas;
	int rc;

	if (fd < 0)
		return -errno;
	rc = st_call(fd, VFIO_GET_API_VERSION, NULL);
	if (is_vfio && ioas_alloc(fd, &ioas))
		server = ST_TYPE1;
	else if (st_fdinfo(fd, "objects:") < 0)
		server = ST_SHIM;
	else
		server = is_vfio ? ST_OURS : ST_NATIVE;
	close(fd);
	return rc < 0 ? rc : (int)server;
}

static unsigned int planned;

static void count_row(struct st_trial *t, const struct st_section *section,
		      const struct st_row *row)
{
	planned++;
}

static void visit_servers(const struct st_section *sections, unsigned int count,
			  visit_t visit)
{
	static const unsigned long types[] = { VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU };
	struct st_trial t = {};
	unsigned int i, j;
	int server;

	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		server = st_find_server(nodes[i]);
		/* Upstream's /dev/iommu would be one more column; 32 bits need one node. */
		if (server < 0 || (i && (server == ST_SHIM || sizeof(void *) == 4)))
			continue;
		t.node = nodes[i];
		t.server = server;
		for (j = 0; j < ARRAY_SIZE(types); j++) {
			t.type = types[j];
			visit_rows(sections, count, &t, visit);
		}
	}
}

/* Is our answer another one than type1's? */
static bool is_different(const struct st_row *row)
{
	return strcmp(expected(row, ST_OURS), row->type1) || is_split(row);
}

/* A row of a csv-table. No text of a row contains a quotation mark. */
static void print_row(const struct st_row *row)
{
	static const char *const suffix[] = { [ST_V1] = " (v1)", [ST_V2] = " (v2)" };
	bool is_versioned = row->types == ST_V1 || row->types == ST_V2;
	const char *shim = expected(row, ST_SHIM), *ours = expected(row, ST_OURS);

	printf("   \"%s%s\", \"%s\", \"%s\", \"%s%s%s\", \"%s\"\n", row->name,
	       is_versioned ? suffix[row->types] : "", row->type1,
	       strcmp(shim, row->type1) ? shim : "same",
	       strcmp(ours, row->type1) ? ours : "same",
	       is_split(row) ? "; by /dev/iommu: " : "", is_split(row) ? row->native : "",
	       is_different(row) ? row->why : "");
}

/* The tables as reStructuredText, for Documentation/userspace-api/vfio_container.rst. */
static int print_tables(const struct st_section *sections, unsigned int count)
{
	unsigned int i, j;

	for (i = 0; i < count; i++) {
		printf("%s\n", sections[i].title);
		for (j = strlen(sections[i].title); j; j--)
			putchar('-');
		printf("\n\n.. csv-table::\n   :header: Call, type1, upstream's shim, ours, why\n"
		       "   :widths: 30 20 15 15 20\n\n");
		for (j = 0; j < sections[i].count; j++)
			print_row(&sections[i].rows[j]);
		putchar('\n');
	}
	return 0;
}

/* A difference without a reason is a mistake of the table. */
static bool has_reasons(const struct st_section *sections, unsigned int count)
{
	unsigned int i, j;
	bool good = true;

	for (i = 0; i < count; i++)
		for (j = 0; j < sections[i].count; j++) {
			const struct st_row *row = &sections[i].rows[j];

			if (row->why || !row->type1 || !is_different(row))
				continue;
			ksft_print_msg("%s: %s differs from type1 without a reason\n",
				       sections[i].title, row->name);
			good = false;
		}
	return good;
}

/**
 * st_table_main() - Run tables, or print them when "table" is asked for
 * @argc: of main()
 * @argv: of main()
 * @sections: the tables
 * @count: how many
 *
 * Return: the exit status.
 */
int st_table_main(int argc, char **argv, const struct st_section *sections,
		  unsigned int count)
{
	struct st_group group;

	if (argc > 1 && !strcmp(argv[1], "table"))
		return print_tables(sections, count);
	ksft_print_header();
	if (st_group_find(&group, ST_EDU))
		ksft_exit_skip("the machine has no edu device\n");
	visit_servers(sections, count, count_row);
	if (!planned)
		ksft_exit_skip("the kernel has no container\n");
	ksft_set_plan(planned + 1);
	ksft_test_result(has_reasons(sections, count), "every difference has a reason\n");
	visit_servers(sections, count, test_row);
	ksft_finished();
}
