// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What /proc tells, child processes, and memory of many kinds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include "iommu_selftest.h"

size_t st_page;

[[gnu::constructor]]
static void find_page_size(void)
{
	st_page = sysconf(_SC_PAGESIZE);
}

/* The number behind a word at the start of a line; -1 if there is no such line. */
static long long read_number(const char *path, const char *key)
{
	char *line = NULL;
	long long value = -1;
	size_t room = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return -1;
	while (value < 0 && getline(&line, &room, f) > 0)
		if (!strncmp(line, key, strlen(key)))
			value = strtoll(line + strlen(key) + strspn(line + strlen(key), ": \t"),
					NULL, 10);
	free(line);
	fclose(f);
	return value;
}

long long st_vm_pin(void)
{
	return read_number("/proc/self/status", "VmPin:");
}

long long st_vm_lck(void)
{
	return read_number("/proc/self/status", "VmLck:");
}

/* A number in fdinfo, whose keys end in a colon; -1 if it is not there. */
long long st_fdinfo(int fd, const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return read_number(path, key);
}

/*
 * The pages that the whole system has pinned. The counters of each CPU are added
 * up when the first file is read; without it the sum is of no use.
 */
static long long pinned_pages(void)
{
	char text[64];
	int fd = open("/proc/sys/vm/stat_refresh", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
	return read_number("/proc/vmstat", "nr_foll_pin_acquired ") -
	       read_number("/proc/vmstat", "nr_foll_pin_released ");
}

void st_counters(struct st_counters *now)
{
	now->pins = pinned_pages();
	now->huge_free = read_number("/proc/meminfo", "HugePages_Free:");
	now->vm_pin = st_vm_pin();
	now->vm_lck = st_vm_lck();
}

static bool counters_equal(const struct st_counters *a, const struct st_counters *b)
{
	return a->vm_pin == b->vm_pin && a->vm_lck == b->vm_lck && a->pins == b->pins;
}

bool st_counters_are_now(const struct st_counters *expected)
{
	struct st_counters now;

	st_counters(&now);
	return counters_equal(&now, expected);
}

/* Far longer than any machine is busy; only a leak lets it pass. */
#define MOMENT_MS 30000

/* Nothing may be left over, but the kernel may take a moment to give it back. */
bool st_counters_are(const struct st_counters *expected)
{
	struct st_counters now;
	int tries;

	for (tries = 0; tries < MOMENT_MS / 20; tries++) {
		st_counters(&now);
		if (counters_equal(&now, expected))
			return true;
		st_sleep_ms(20);
	}
	printf("# left over: VmPin %lld kB, VmLck %lld kB, %lld pinned pages\n",
	       now.vm_pin - expected->vm_pin, now.vm_lck - expected->vm_lck,
	       now.pins - expected->pins);
	return false;
}

static FILE *open_fdinfo(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return fopen(path, "re");
}

/* "refused:	SEQ CALL errno=N reason=CODE TEXT" */
static bool parse_refusal(const char *line, struct st_refusal *refusal)
{
	int text = 0;

	*refusal = (struct st_refusal) {};
	if (sscanf(line, "refused:\t%llu %31s errno=%d reason=%31s %n", &refusal->seq,
		   refusal->call, &refusal->error, refusal->reason, &text) < 4)
		return false;
	snprintf(refusal->text, sizeof(refusal->text), "%s", line + text);
	refusal->text[strcspn(refusal->text, "\n")] = 0;
	return true;
}

static unsigned int read_refusals(int fd, struct st_refusal *last)
{
	unsigned int count = 0;
	char *line = NULL;
	size_t room = 0;
	FILE *f = open_fdinfo(fd);

	if (!f)
		return 0;
	while (getline(&line, &room, f) > 0)
		count += parse_refusal(line, last) ? 1 : 0;
	free(line);
	fclose(f);
	return count;
}

/* How many refusals the file shows. */
unsigned int st_refusals(int fd)
{
	struct st_refusal last;

	return read_refusals(fd, &last);
}

/* The newest refusal that the file shows, or -ENODATA. */
int st_refusal(int fd, struct st_refusal *last)
{
	struct st_refusal each;
	char *line = NULL;
	size_t room = 0;
	int rc = -ENODATA;
	FILE *f = open_fdinfo(fd);

	if (!f)
		return -errno;
	while (getline(&line, &room, f) > 0) {
		if (!parse_refusal(line, &each))
			continue;
		*last = each;
		rc = 0;
	}
	free(line);
	fclose(f);
	return rc;
}

/* Is the newest refusal this one, and does it name the number? */
bool st_told(int fd, const char *call, int error, const char *reason, __u64 number)
{
	struct st_refusal last = {};
	char hex[32], decimal[32];
	int rc = st_refusal(fd, &last);

	snprintf(hex, sizeof(hex), "%llx", number);
	snprintf(decimal, sizeof(decimal), "%llu", number);
	if (!rc && !strcmp(last.call, call) && last.error == error &&
	    !strcmp(last.reason, reason) && *last.text &&
	    (!number || strstr(last.text, hex) || strstr(last.text, decimal)))
		return true;
	printf("# wanted %s errno=%d reason=%s with %s, got %s errno=%d reason=%s \"%s\"\n", call,
	       error, reason, hex, last.call, last.error, last.reason, last.text);
	return false;
}

/* Mount a file system where only this process sees it. -ENOENT: the kernel has none. */
int st_mount_alone(const char *type, const char *where)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	if (access(where, F_OK))
		return -ENOENT;
	if (mount(type, where, type, 0, NULL) && errno != EBUSY)
		return -errno;
	return 0;
}

/* Does fdinfo have a line that begins so? */
bool st_fdinfo_shows(int fd, const char *format, ...)
{
	char wanted[160], line[512];
	FILE *f = open_fdinfo(fd);
	bool found = false;
	va_list args;

	va_start(args, format);
	vsnprintf(wanted, sizeof(wanted), format, args);
	va_end(args);
	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, wanted, strlen(wanted));
	if (f)
		fclose(f);
	if (!found)
		printf("# fdinfo has no line \"%s\"\n", wanted);
	return found;
}

/* The number behind @key, which ends in "=", in the line of this IOAS; -1 without. */
long long st_fdinfo_ioas(int fd, __u32 ioas, const char *key)
{
	char line[512], begin[32];
	FILE *f = open_fdinfo(fd);
	long long value = -1;
	const char *at;

	snprintf(begin, sizeof(begin), "ioas:\tid=%u ", ioas);
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, begin, strlen(begin)))
			continue;
		at = strstr(line, key);
		if (at)
			value = atoll(at + strlen(key));
	}
	if (f)
		fclose(f);
	return value;
}

/**
 * st_in_child() - Run a function in a child process
 * @function: returns 0 to 254
 * @argument: for @function
 *
 * Return: what @function returned; -ECHILD when a signal ended the child.
 */
int st_in_child(int (*function)(void *argument), void *argument)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(function(argument));
	if (pid < 0)
		return -errno;
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

/* Give a capability up for good, for this process. */
int st_drop_capability(int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	__u32 bit = CAP_TO_MASK(capability);

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[CAP_TO_INDEX(capability)].effective &= ~bit;
	data[CAP_TO_INDEX(capability)].permitted &= ~bit;
	data[CAP_TO_INDEX(capability)].inheritable &= ~bit;
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/* From here on RLIMIT_MEMLOCK counts, and is @bytes. */
int st_limit_memlock(__u64 bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = bytes };

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		return -errno;
	return st_drop_capability(CAP_IPC_LOCK);
}

void st_sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l };

	nanosleep(&ts, NULL);
}

/* What a short file holds, as a string; -EIO if that is nothing. */
int st_read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0 ? 0 : -EIO;
}

/* Write all of @text at once, as sysfs wants it. */
int st_write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int rc;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	rc = n == (ssize_t)strlen(text) ? 0 : n < 0 ? -errno : -EIO;
	close(fd);
	return rc;
}

/* Private memory, not touched yet; NULL when there is none. */
void *st_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* The same in huge pages; NULL when the machine has none to give. */
void *st_huge_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* A memfd of this size; @flags as for memfd_create(). */
int st_memfd(size_t size, unsigned int flags)
{
	int fd = memfd_create("iommu-selftest", flags | MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, size)) {
		close(fd);
		return -ENOMEM;
	}
	return fd;
}

/* Each 8 bytes tell where they belong, so that no page looks like another one. */
static __u64 pattern(unsigned char seed, size_t at)
{
	return (__u64)seed << 56 ^ at * 0x9e3779b97f4a7c15ull;
}

void st_fill(void *memory, unsigned char seed, size_t size)
{
	__u64 *word = memory;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++)
		word[i] = pattern(seed, i);
}

bool st_filled(const void *memory, unsigned char seed, size_t size)
{
	const __u64 *word = memory;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++)
		if (word[i] != pattern(seed, i))
			return false;
	return true;
}
