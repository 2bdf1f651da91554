// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the devices of a container reach, who keeps what alive, and what is left
 * when files are closed and processes end in any order.
 *
 * See st_table.h for how the tables are read.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "st_table.h"

#define PAGES(n)	((n) * (__u64)st_page)
#define CHUNK		EDU_BUFFER_SIZE

static int map(struct st_trial *t, void *memory, __u64 size, __u64 iova)
{
	return st_dma_map(t->c.fd, ST_DMA_RW, memory, size, iova);
}

/* Does the device read and write this page? */
static void say_dma(struct st_trial *t, unsigned char *page, __u64 iova)
{
	int rc;

	st_fill(page, 1, st_page);
	rc = st_device_sees(&t->c.env, iova, page, CHUNK);
	if (rc == -EBADMSG)
		st_say(t, "reads nothing");
	else if (rc)
		st_say_rc(t, rc);
	else
		st_say(t, "reads");
	rc = st_device_fills(&t->c.env, iova, 2, CHUNK);
	if (rc)
		st_say_rc(t, rc);
	else
		st_say(t, st_filled(page, 2, CHUNK) ? "writes" : "writes nothing");
}

static void mapped_first(struct st_trial *t)
{
	unsigned char *memory = st_memory(PAGES(4));

	st_say_rc(t, map(t, memory, PAGES(4), ST_IOVA));
	st_say_rc(t, st_container_edu(&t->c));
	say_dma(t, memory + PAGES(2), ST_IOVA + PAGES(2));
}

static void mapped_later(struct st_trial *t)
{
	unsigned char *memory = st_memory(PAGES(4));

	st_say_rc(t, map(t, memory, PAGES(4), ST_IOVA));
	say_dma(t, memory + PAGES(2), ST_IOVA + PAGES(2));
}

static void unmapped(struct st_trial *t)
{
	unsigned char *memory = st_memory(PAGES(4));
	__u64 size = PAGES(4);

	st_say_rc(t, map(t, memory, PAGES(4), ST_IOVA));
	say_dma(t, memory, ST_IOVA);
	st_say_rc(t, st_dma_unmap(t->c.fd, 0, ST_IOVA, &size));
	say_dma(t, memory, ST_IOVA);
}

static void protection(struct st_trial *t)
{
	unsigned char *memory = st_memory(PAGES(4));

	st_say_rc(t, st_dma_map(t->c.fd, t->arg, memory, PAGES(4), ST_IOVA));
	say_dma(t, memory, ST_IOVA);
}

/* What v1 cuts off is gone for the device, and the rest is not. */
static void cut(struct st_trial *t)
{
	unsigned char *memory = st_memory(PAGES(4));
	__u64 size = PAGES(2);

	st_say_rc(t, map(t, memory, PAGES(4), ST_IOVA));
	st_say_rc(t, st_dma_unmap(t->c.fd, 0, ST_IOVA, &size));
	st_say_size(t, "size", size);
	say_dma(t, memory, ST_IOVA);
	say_dma(t, memory + PAGES(2), ST_IOVA + PAGES(2));
}

static void memory_replaced(struct st_trial *t)
{
	unsigned char *old = st_memory(PAGES(2)), *new = st_memory(PAGES(2));
	__u64 size = PAGES(2);

	st_say_rc(t, map(t, old, PAGES(2), ST_IOVA));
	say_dma(t, old, ST_IOVA);
	st_say_rc(t, st_dma_unmap(t->c.fd, 0, ST_IOVA, &size));
	st_say_rc(t, map(t, new, PAGES(2), ST_IOVA));
	st_fill(old, 9, PAGES(2));
	say_dma(t, new, ST_IOVA);
	st_say(t, st_filled(old, 9, PAGES(2)) ? "old memory untouched" : "old memory written");
}

/* The edu device belongs to a group that comes when everything is mapped. */
static void second_group(struct st_trial *t)
{
	unsigned char *memory = st_memory(PAGES(4));
	struct st_container first = t->c;
	struct st_group disk;
	int rc = st_group_find(&disk, ST_NVME) ?: st_group_open(&disk);

	if (rc)
		st_give_up(t, "no second group", rc);
	st_say_rc(t, st_group_join(&disk, first.fd));
	st_say_rc(t, st_container_set(&first, t->type));
	st_say_rc(t, map(t, memory, PAGES(4), ST_IOVA));
	st_say_rc(t, st_group_open(&t->c.group) ?: st_group_join(&t->c.group, t->c.fd));
	st_say_rc(t, st_container_edu(&t->c));
	say_dma(t, memory, ST_IOVA);
	st_say_rc(t, st_group_leave(&disk));
	say_dma(t, memory, ST_IOVA);
}

/* Two devices that the IOMMU cannot tell apart, one after the other. */
static void pair(struct st_trial *t)
{
	unsigned char *memory = st_memory(PAGES(4));
	char second[PCI_BDF_SIZE];
	int rc = st_group_find_pair(&t->c.group, second);

	if (rc)
		st_give_up(t, "no two devices in a group", rc);
	st_say_rc(t, st_group_open(&t->c.group) ?: st_group_join(&t->c.group, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, t->type));
	st_say_rc(t, map(t, memory, PAGES(4), ST_IOVA));
	st_say_rc(t, st_container_edu(&t->c));
	say_dma(t, memory, ST_IOVA);
	memcpy(t->c.group.bdf, second, PCI_BDF_SIZE);
	st_say_rc(t, st_container_edu(&t->c));
	say_dma(t, memory + PAGES(1), ST_IOVA + PAGES(1));
}

/* The device goes on with the container's own file closed. */
static void container_closed(struct st_trial *t)
{
	unsigned char *memory = st_memory(PAGES(4));

	st_say_rc(t, map(t, memory, PAGES(4), ST_IOVA));
	st_fill(memory, 1, st_page);
	st_say_rc(t, edu_read_memory(&t->c.env.edu, ST_IOVA, CHUNK));
	close(t->c.fd);
	st_say_rc(t, edu_write_memory(&t->c.env.edu, ST_IOVA + PAGES(1), CHUNK));
	st_say(t, st_filled(memory + PAGES(1), 1, CHUNK) ? "writes" : "writes nothing");
	st_group_close(&t->c.group);
	st_say_rc(t, edu_write_memory(&t->c.env.edu, ST_IOVA + PAGES(2), CHUNK));
	st_say(t, st_filled(memory + PAGES(2), 1, CHUNK) ? "writes" : "writes nothing");
}

/* The memory of a mapping, seen by the device when the process has lost it. */
static void memory_unmapped(struct st_trial *t)
{
	int memfd = st_memfd(PAGES(2), 0);
	unsigned char *memory = mmap(NULL, PAGES(2), PROT_READ | PROT_WRITE, MAP_SHARED, memfd,
				     0);

	st_say_rc(t, map(t, memory, PAGES(2), ST_IOVA));
	munmap(memory, PAGES(2));
	memory = mmap(NULL, PAGES(2), PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	say_dma(t, memory, ST_IOVA);
}

#ifdef __aarch64__
/* A stage 1 has no pages that can only be written, an SMMU no two devices of one number. */
#define WRITE_ONLY	"0, reads, writes"
#define OF_A_PAIR	"no two devices in a group, ENODEV"
#else
#define WRITE_ONLY	"0, reads nothing, writes"
#define OF_A_PAIR	"0, 0, 0, 0, reads, writes, 0, reads, writes"
#endif

static const struct st_row dma_rows[] = {
	{ "mapped before the device was opened", mapped_first,
	  .type1 = "0, 0, reads, writes" },
	{ "mapped after it was opened", mapped_later, .from = ST_FROM_DMA,
	  .type1 = "0, reads, writes" },
	{ "unmapped", unmapped, .from = ST_FROM_DMA,
	  .type1 = "0, reads, writes, 0, reads nothing, writes nothing" },
	{ "READ only", protection, .arg = ST_DMA_R, .from = ST_FROM_DMA,
	  .type1 = "0, reads, writes nothing" },
	{ "WRITE only", protection, .arg = ST_DMA_W, .from = ST_FROM_DMA,
	  .type1 = WRITE_ONLY },
	{ "cut: the part that was named, the other part", cut, .from = ST_FROM_DMA,
	  .types = ST_V1,
	  .type1 = "0, 0, size 4p, reads nothing, writes nothing, reads nothing, writes nothing",
	  .shim = "0, 0, size 2p, reads nothing, writes nothing, reads, writes" },
	{ "cut: the part that was named, the other part", cut, .from = ST_FROM_DMA,
	  .types = ST_V2,
	  .type1 = "0, EINVAL, size 2p, reads, writes, reads, writes",
	  .shim = "0, ENOENT, size 0, reads, writes, reads, writes" },
	{ "other memory mapped at the same place", memory_replaced, .from = ST_FROM_DMA,
	  .type1 = "0, reads, writes, 0, 0, reads, writes, old memory untouched" },
	{ "munmap() of a file's memory", memory_unmapped, .from = ST_FROM_DMA,
	  .type1 = "0, reads, writes" },
	{ "a second group joins and opens its device; the first leaves", second_group,
	  .from = ST_FROM_OPEN,
	  .type1 = "0, 0, 0, 0, 0, reads, writes, 0, reads, writes" },
	{ "two devices of one group", pair, .from = ST_FROM_OPEN,
	  .type1 = OF_A_PAIR },
	{ "container closed, then the group", container_closed, .from = ST_FROM_DMA,
	  .type1 = "0, 0, 0, writes, 0, writes" },
};

/* Close the files in the order of the digits: 1 container, 2 group, 3 device. */
static void close_in_order(struct st_trial *t)
{
	int fds[] = { -1, t->c.fd, t->c.group.fd, t->c.env.dev.fd };
	struct st_counters before;
	unsigned long order = t->arg;
	struct st_container again;

	st_counters(&before);
	st_say_rc(t, map(t, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	for (; order; order /= 10)
		close(fds[order % 10]);
	st_say(t, st_counters_are(&before) ? "nothing left" : "something left");

	/* And everything can be used again. */
	st_say_rc(t, st_container_open(&again, t->node));
	st_say_rc(t, st_container_join(&again, ST_EDU));
	st_say_rc(t, st_container_set(&again, t->type));
}

static int use_and_exit(void *argument)
{
	struct st_trial *t = argument;
	struct st_container own;
	int rc;

	rc = st_container_open(&own, t->node) ?: st_container_join(&own, ST_EDU);
	rc = rc ?: st_container_set(&own, t->type);
	rc = rc ?: st_container_device(&own);
	rc = rc ?: st_dma_map(own.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA);
	if (t->arg)
		kill(getpid(), t->arg);
	return -rc;
}

/* A process ends with all of it, and the next one finds it free. */
static void process_ends(struct st_trial *t)
{
	struct st_counters before;
	unsigned int i;

	st_counters(&before);
	for (i = 0; i < 3; i++)
		st_say_rc(t, st_in_child(use_and_exit, t));
	st_say(t, st_counters_are(&before) ? "nothing left" : "something left");
}

static int child_looks(void *argument)
{
	struct st_trial *t = argument;
	__u64 size = PAGES(4);

	return st_dma_unmap(t->c.fd, 0, ST_IOVA, &size) || size != PAGES(4);
}

static int do_nothing(void *argument)
{
	return 0;
}

/* A child has the same container, and takes nothing with it. */
static void child_ends(struct st_trial *t)
{
	unsigned char *memory = st_memory(PAGES(4));

	madvise(memory, PAGES(4), MADV_DONTFORK);
	st_say_rc(t, map(t, memory, PAGES(4), ST_IOVA));
	st_say_rc(t, st_in_child(do_nothing, NULL));
	say_dma(t, memory, ST_IOVA);
	st_say(t, st_in_child(child_looks, t) ? "child cannot unmap" : "child unmaps");
	st_say_size(t, "left", st_dma_mapped(t->c.fd));
}

/* The child has all the files when the parent is gone. */
static void parent_ends(struct st_trial *t)
{
	unsigned char *memory = mmap(NULL, PAGES(4), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pipe_fds[2];
	char word[64] = {};
	pid_t pid;

	if (pipe(pipe_fds))
		st_give_up(t, "no pipe", -errno);
	pid = fork();
	if (!pid) {
		/* The parent of the heir: maps, has a child, ends at once. */
		int rc = map(t, memory, PAGES(4), ST_IOVA);
		pid_t self = getpid();

		if (fork())
			_exit(0);
		while (getppid() == self)
			st_sleep_ms(10);
		t->answer[0] = 0;
		st_say_rc(t, rc);
		say_dma(t, memory, ST_IOVA);
		if (write(pipe_fds[1], t->answer, strlen(t->answer)) < 0)
			_exit(1);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	close(pipe_fds[1]);
	close(t->c.fd);
	close(t->c.env.dev.fd);
	close(t->c.group.fd);
	if (read(pipe_fds[0], word, sizeof(word) - 1) < 0)
		st_say_rc(t, -errno);
	st_say(t, "%s", word);
}

static const struct st_row life_rows[] = {
	{ "closed: container, group, device", close_in_order, .arg = 321, .from = ST_FROM_DEVICE,
	  .type1 = "0, nothing left, 0, 0, 0" },
	{ "closed: container, device, group", close_in_order, .arg = 231, .from = ST_FROM_DEVICE,
	  .type1 = "0, nothing left, 0, 0, 0" },
	{ "closed: group, container, device", close_in_order, .arg = 312, .from = ST_FROM_DEVICE,
	  .type1 = "0, nothing left, 0, 0, 0" },
	{ "closed: group, device, container", close_in_order, .arg = 132, .from = ST_FROM_DEVICE,
	  .type1 = "0, nothing left, 0, 0, 0" },
	{ "closed: device, container, group", close_in_order, .arg = 213, .from = ST_FROM_DEVICE,
	  .type1 = "0, nothing left, 0, 0, 0" },
	{ "closed: device, group, container", close_in_order, .arg = 123, .from = ST_FROM_DEVICE,
	  .type1 = "0, nothing left, 0, 0, 0" },
	{ "a process uses it and exits, three times", process_ends, .from = ST_FROM_NOTHING,
	  .type1 = "0, 0, 0, nothing left" },
	{ "a process uses it and is killed, three times", process_ends, .arg = SIGKILL,
	  .from = ST_FROM_NOTHING,
	  .type1 = "ECHILD, ECHILD, ECHILD, nothing left" },
	{ "a child ends, DMA, a child unmaps", child_ends, .from = ST_FROM_DMA,
	  .type1 = "0, 0, reads, writes, child unmaps, left 0" },
	{ "the process that mapped ends, its child goes on", parent_ends, .from = ST_FROM_DMA,
	  .type1 = "0, reads, writes" },
};

static const struct st_section sections[] = {
	ST_SECTION("What devices reach", dma_rows),
	ST_SECTION("Who keeps what", life_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
