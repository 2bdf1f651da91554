// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Tests of backings on real memory, of a process and of a file, and of who pays
 * for them.
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "memlock.h"
#include "origin.h"

#define NPAGES 40UL
#define BYTES (NPAGES * PAGE_SIZE)

/**
 * struct mm_test - state of a case
 * @test: the case
 * @accounts: of the backing
 * @backing: what is tested, if any
 * @user: user memory of BYTES, byte i is pattern(i)
 * @pages: room for page pointers
 * @buffer: of BYTES
 * @file: memory file of BYTES with the same contents, if any
 * @fd: its descriptor
 */
struct mm_test {
	struct kunit *test;
	struct iommufd_accounts accounts;
	struct iommufd_backing *backing;
	unsigned long user;
	struct page **pages;
	u8 *buffer;
	struct file *file;
	int fd;
};

static u8 pattern(unsigned long i)
{
	return i * 7 + (i >> 8) * 13;
}

static void fill_pattern(u8 *buffer)
{
	unsigned long i;

	for (i = 0; i < BYTES; i++)
		buffer[i] = pattern(i);
}

static void expect_pattern(struct mm_test *mt, const u8 *data,
			   unsigned long first, unsigned long length)
{
	unsigned long i, wrong = 0;

	for (i = 0; i < length; i++)
		wrong += data[i] != pattern(first + i);
	KUNIT_EXPECT_EQ(mt->test, 0, wrong);
}

static long pinned(const struct mm_test *mt)
{
	return atomic_long_read(&mt->accounts.pinned);
}

static void use_backing(struct mm_test *mt, struct iommufd_backing *backing)
{
	KUNIT_ASSERT_FALSE(mt->test, IS_ERR(backing));
	mt->backing = backing;
}

static void drop_backing(struct mm_test *mt)
{
	if (mt->backing)
		iommufd_backing_put(mt->backing);
	mt->backing = NULL;
}

static void list_pages(struct mm_test *mt, unsigned long npages)
{
	guard(bit_mutex)(&mt->backing->lock);
	iommufd_backing_fill_pages(mt->backing, 0, npages, mt->pages);
}

/* Every page holds its part of the pattern and one pin; @skip bytes lie before. */
static void expect_pages(struct mm_test *mt, unsigned long npages,
			 unsigned long skip)
{
	unsigned long i;

	list_pages(mt, npages);
	for (i = 0; i < npages; i++) {
		memcpy_from_page(mt->buffer, mt->pages[i], 0, PAGE_SIZE);
		expect_pattern(mt, mt->buffer, skip + i * PAGE_SIZE, PAGE_SIZE);
		KUNIT_EXPECT_TRUE(mt->test,
				  folio_maybe_dma_pinned(page_folio(mt->pages[i])));
	}
}

static void expect_unpinned(struct mm_test *mt, unsigned long npages)
{
	unsigned long i;

	for (i = 0; i < npages; i++)
		KUNIT_EXPECT_FALSE(mt->test,
				   folio_maybe_dma_pinned(page_folio(mt->pages[i])));
	KUNIT_EXPECT_EQ(mt->test, 0, pinned(mt));
}

/* Pins are shared between uses, and gone after the last. */
static void check_pinning(struct mm_test *mt, unsigned long npages,
			  unsigned long skip)
{
	struct kunit *test = mt->test;
	int refs;

	KUNIT_ASSERT_EQ(test, npages, iommufd_backing_npages(mt->backing));
	KUNIT_ASSERT_EQ(test, 0, iommufd_backing_pin(mt->backing, 0, npages, NULL));
	KUNIT_EXPECT_EQ(test, npages, pinned(mt));
	expect_pages(mt, npages, skip);
	refs = page_ref_count(mt->pages[2]);

	KUNIT_ASSERT_EQ(test, 0, iommufd_backing_pin(mt->backing, 2, 3, NULL));
	KUNIT_EXPECT_EQ(test, npages, pinned(mt));
	KUNIT_EXPECT_EQ(test, refs, page_ref_count(mt->pages[2]));
	iommufd_backing_unpin(mt->backing, 0, npages);
	KUNIT_EXPECT_EQ(test, 3, pinned(mt));
	KUNIT_EXPECT_EQ(test, refs, page_ref_count(mt->pages[2]));
	iommufd_backing_unpin(mt->backing, 2, 3);
	expect_unpinned(mt, npages);
}

/* Write and read back across a page border by all ways that @flags leave. */
static void check_rw(struct mm_test *mt, unsigned int flags, unsigned long skip)
{
	static const char text[] = "written by the CPU";
	struct kunit *test = mt->test;
	unsigned long at = 3 * PAGE_SIZE - 5;
	char read[sizeof(text)];

	KUNIT_ASSERT_EQ(test, 0, iommufd_backing_rw(mt->backing, 1, mt->buffer,
						    5 * PAGE_SIZE, flags, NULL));
	expect_pattern(mt, mt->buffer, skip + 1, 5 * PAGE_SIZE);

	KUNIT_ASSERT_EQ(test, 0,
			iommufd_backing_rw(mt->backing, at, (void *)text,
					   sizeof(text),
					   flags | IOMMUFD_ACCESS_RW_WRITE, NULL));
	KUNIT_ASSERT_EQ(test, 0, iommufd_backing_rw(mt->backing, at, read,
						    sizeof(read), flags, NULL));
	KUNIT_EXPECT_STREQ(test, text, read);

	fill_pattern(mt->buffer);
	KUNIT_ASSERT_EQ(test, 0,
			iommufd_backing_rw(mt->backing, at,
					   mt->buffer + skip + at, sizeof(text),
					   flags | IOMMUFD_ACCESS_RW_WRITE, NULL));
}

static void test_user_pin(struct kunit *test)
{
	struct mm_test *mt = test->priv;

	/* A page is skipped, first and last page are touched in part. */
	use_backing(mt, iommufd_backing_user(&mt->accounts,
					     mt->user + PAGE_SIZE + 100,
					     BYTES - PAGE_SIZE - 150, true, NULL));
	check_pinning(mt, NPAGES - 1, PAGE_SIZE);
}

static void test_user_rw(struct kunit *test)
{
	struct mm_test *mt = test->priv;

	use_backing(mt, iommufd_backing_user(&mt->accounts, mt->user, BYTES,
					     true, NULL));
	check_rw(mt, 0, 0);
	check_rw(mt, __IOMMUFD_ACCESS_RW_SLOW_PATH, 0);
	KUNIT_ASSERT_EQ(test, 0, iommufd_backing_pin(mt->backing, 1, 2, NULL));
	check_rw(mt, __IOMMUFD_ACCESS_RW_SLOW_PATH, 0);
	KUNIT_EXPECT_EQ(test, 2, pinned(mt));
	iommufd_backing_unpin(mt->backing, 1, 2);
	KUNIT_EXPECT_EQ(test, 0, pinned(mt));
}

static void test_user_read_only(struct kunit *test)
{
	struct mm_test *mt = test->priv;

	use_backing(mt, iommufd_backing_user(&mt->accounts, mt->user, BYTES,
					     false, NULL));
	check_pinning(mt, NPAGES, 0);
	KUNIT_EXPECT_EQ(test, -EPERM,
			iommufd_backing_rw(mt->backing, 0, mt->buffer, 1,
					   IOMMUFD_ACCESS_RW_WRITE, NULL));
}

/* A hole behind good pages: nothing stays pinned or charged. */
static void test_user_hole(struct kunit *test)
{
	struct mm_test *mt = test->priv;

	use_backing(mt, iommufd_backing_user(&mt->accounts, mt->user, BYTES,
					     true, NULL));
	KUNIT_ASSERT_EQ(test, 0, iommufd_backing_pin(mt->backing, 0, 20, NULL));
	list_pages(mt, 20);
	KUNIT_ASSERT_EQ(test, 0, vm_munmap(mt->user + 30 * PAGE_SIZE, PAGE_SIZE));

	KUNIT_EXPECT_EQ(test, -EFAULT,
			iommufd_backing_pin(mt->backing, 10, NPAGES - 10, NULL));
	KUNIT_EXPECT_EQ(test, 20, pinned(mt));
	KUNIT_EXPECT_EQ(test, -EFAULT,
			iommufd_backing_rw(mt->backing, 30 * PAGE_SIZE,
					   mt->buffer, 10, 0, NULL));
	iommufd_backing_unpin(mt->backing, 0, 20);
	KUNIT_EXPECT_EQ(test, -EFAULT,
			iommufd_backing_pin(mt->backing, 0, NPAGES, NULL));
	expect_unpinned(mt, 20);
}

static void test_user_arguments(struct kunit *test)
{
	struct mm_test *mt = test->priv;

	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(iommufd_backing_user(&mt->accounts, mt->user, 0,
						     true, NULL)));
	KUNIT_EXPECT_EQ(test, -EOVERFLOW,
			PTR_ERR(iommufd_backing_user(&mt->accounts, PAGE_SIZE,
						     -PAGE_SIZE, true, NULL)));
	use_backing(mt, iommufd_backing_user(&mt->accounts, mt->user + 1,
					     PAGE_SIZE, true, NULL));
	KUNIT_EXPECT_EQ(test, 2, iommufd_backing_npages(mt->backing));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommufd_backing_move_prepare(mt->backing,
						     mt->backing->payer, NULL));
}

static void make_file(struct mm_test *mt)
{
	struct kunit *test = mt->test;
	loff_t pos = 0;
	int fd;

	mt->file = shmem_file_setup("iommufd-test", BYTES, EMPTY_VMA_FLAGS);
	if (IS_ERR(mt->file)) {
		mt->file = NULL;
		kunit_skip(test, "no shmem");
	}
	KUNIT_ASSERT_EQ(test, (ssize_t)BYTES,
			kernel_write(mt->file, mt->buffer, BYTES, &pos));
	fd = get_unused_fd_flags(O_CLOEXEC);
	KUNIT_ASSERT_GE(test, fd, 0);
	fd_install(fd, get_file(mt->file));
	mt->fd = fd;
}

static struct iommufd_backing *file_backing(struct mm_test *mt, u64 start,
					    unsigned long length, bool writable)
{
	return iommufd_backing_file(&mt->accounts, mt->fd, start, length,
				    writable, NULL);
}

static void test_file_pin(struct kunit *test)
{
	struct mm_test *mt = test->priv;

	make_file(mt);
	use_backing(mt, file_backing(mt, PAGE_SIZE + 100, BYTES - PAGE_SIZE - 150,
				     true));
	check_pinning(mt, NPAGES - 1, PAGE_SIZE);
	check_rw(mt, 0, PAGE_SIZE);
}

/* The last page of the file is not full, then the file is cut. */
static void test_file_end(struct kunit *test)
{
	struct mm_test *mt = test->priv;

	make_file(mt);
	i_size_write(file_inode(mt->file), BYTES - 1000);
	KUNIT_EXPECT_EQ(test, -EINVAL, PTR_ERR(file_backing(mt, 0, BYTES, true)));
	KUNIT_EXPECT_EQ(test, -EOVERFLOW,
			PTR_ERR(file_backing(mt, U64_MAX - 4, 10, true)));
	use_backing(mt, file_backing(mt, 0, BYTES - 1000, true));
	check_pinning(mt, NPAGES, 0);

	i_size_write(file_inode(mt->file), 5 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommufd_backing_pin(mt->backing, 0, NPAGES, NULL));
	KUNIT_EXPECT_EQ(test, 0, pinned(mt));
	KUNIT_ASSERT_EQ(test, 0, iommufd_backing_pin(mt->backing, 0, 5, NULL));
	iommufd_backing_unpin(mt->backing, 0, 5);
}

static void test_file_rights(struct kunit *test)
{
	struct mm_test *mt = test->priv;
	struct address_space *mapping;

	make_file(mt);
	mapping = mt->file->f_mapping;

	/* While it is writable the file cannot be sealed. */
	use_backing(mt, file_backing(mt, 0, BYTES, true));
	KUNIT_EXPECT_EQ(test, -EBUSY, mapping_deny_writable(mapping));
	drop_backing(mt);
	KUNIT_ASSERT_EQ(test, 0, mapping_deny_writable(mapping));
	KUNIT_EXPECT_EQ(test, -EPERM, PTR_ERR(file_backing(mt, 0, BYTES, true)));
	mapping_allow_writable(mapping);

	SHMEM_I(file_inode(mt->file))->seals |= F_SEAL_FUTURE_WRITE;
	KUNIT_EXPECT_EQ(test, -EPERM, PTR_ERR(file_backing(mt, 0, BYTES, true)));
	use_backing(mt, file_backing(mt, 0, BYTES, false));
	drop_backing(mt);

	mt->file->f_mode &= ~FMODE_WRITE;
	KUNIT_EXPECT_EQ(test, -EACCES, PTR_ERR(file_backing(mt, 0, BYTES, true)));
	use_backing(mt, file_backing(mt, 0, BYTES, false));
	mt->file->f_mode |= FMODE_WRITE;
	KUNIT_EXPECT_EQ(test, -EBADF,
			PTR_ERR(iommufd_backing_file(&mt->accounts, -1, 0, BYTES,
						     false, NULL)));
}

static long charged(const struct mm_test *mt)
{
	return atomic_long_read(&mt->accounts.charged);
}

/* Eight of ten pages fit, then three do not; moving within a limit always fits. */
static void check_limit(struct mm_test *mt, struct iommufd_payer *payer)
{
	struct rlimit *rlimit = &current->signal->rlim[RLIMIT_MEMLOCK];
	struct rlimit saved = *rlimit;
	struct kunit *test = mt->test;
	unsigned long before = 0;

	if (payer->mode == IOMMUFD_ACCOUNT_USER)
		before = atomic_long_read(&payer->cred->user->locked_vm);
	rlimit->rlim_cur = (before + 10) << PAGE_SHIFT;
	KUNIT_EXPECT_EQ(test, 0, iommufd_payer_charge(payer, 8, NULL));
	KUNIT_EXPECT_EQ(test, -ENOMEM, iommufd_payer_charge(payer, 3, NULL));
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			iommufd_payer_charge(payer, ULONG_MAX >> PAGE_SHIFT,
					     NULL));
	KUNIT_EXPECT_EQ(test, 8, charged(mt));
	KUNIT_EXPECT_EQ(test, 0, iommufd_payer_charge_for(payer, payer, 8, NULL));
	KUNIT_EXPECT_EQ(test, 8, charged(mt));
	KUNIT_EXPECT_EQ(test, 16, pinned(mt));
	iommufd_payer_uncharge_for(payer, payer, 8);
	KUNIT_EXPECT_EQ(test, 0, iommufd_payer_charge(payer, 2, NULL));
	iommufd_payer_uncharge(payer, 10);
	KUNIT_EXPECT_EQ(test, 0, charged(mt));
	KUNIT_EXPECT_EQ(test, 0, pinned(mt));
	if (payer->mode == IOMMUFD_ACCOUNT_USER)
		KUNIT_EXPECT_EQ(test, before,
				atomic_long_read(&payer->cred->user->locked_vm));
	*rlimit = saved;
}

static void test_payer(struct kunit *test)
{
	struct mm_test *mt = test->priv;
	struct iommufd_payer *payer, *again;

	payer = iommufd_payer_get_current(&mt->accounts);
	KUNIT_ASSERT_FALSE(test, IS_ERR(payer));
	again = iommufd_payer_get_current(&mt->accounts);
	KUNIT_EXPECT_PTR_EQ(test, payer, again);
	iommufd_payer_put(again);

	payer->mode = IOMMUFD_ACCOUNT_USER;
	check_limit(mt, payer);
	payer->mode = IOMMUFD_ACCOUNT_MM;
	check_limit(mt, payer);
	payer->mode = IOMMUFD_ACCOUNT_NONE;
	KUNIT_EXPECT_EQ(test, 0, iommufd_payer_charge(payer, 1000, NULL));
	KUNIT_EXPECT_EQ(test, 0, charged(mt));
	iommufd_payer_uncharge(payer, 1000);
	KUNIT_EXPECT_EQ(test, 0, pinned(mt));
	iommufd_payer_put(payer);
}

static int mm_test_init(struct kunit *test)
{
	struct mm_test *mt = kunit_kzalloc(test, sizeof(*mt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mt);
	mt->test = test;
	mt->fd = -1;
	iommufd_accounts_init(&mt->accounts, IOMMUFD_ACCOUNT_USER);
	test->priv = mt;

	mt->pages = kunit_kcalloc(test, NPAGES, sizeof(*mt->pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mt->pages);
	mt->buffer = kunit_kzalloc(test, BYTES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mt->buffer);
	fill_pattern(mt->buffer);

	mt->user = kunit_vm_mmap(test, NULL, 0, BYTES, PROT_READ | PROT_WRITE,
				 MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, mt->user, 0);
	KUNIT_ASSERT_LT_MSG(test, mt->user, (unsigned long)TASK_SIZE,
			    "no user memory");
	KUNIT_ASSERT_EQ(test, 0, copy_to_user((void __user *)mt->user,
					      mt->buffer, BYTES));
	return 0;
}

static void mm_test_exit(struct kunit *test)
{
	struct mm_test *mt = test->priv;

	if (!mt)
		return;
	drop_backing(mt);
	if (mt->fd >= 0)
		close_fd(mt->fd);
	if (mt->file)
		fput(mt->file);
	iommufd_accounts_destroy(&mt->accounts);
}

static struct kunit_case mm_cases[] = {
	KUNIT_CASE(test_payer),
	KUNIT_CASE(test_user_pin),
	KUNIT_CASE(test_user_rw),
	KUNIT_CASE(test_user_read_only),
	KUNIT_CASE(test_user_hole),
	KUNIT_CASE(test_user_arguments),
	KUNIT_CASE(test_file_pin),
	KUNIT_CASE(test_file_end),
	KUNIT_CASE(test_file_rights),
	{}
};

static struct kunit_suite mm_suite = {
	.name = "iommufd_backing_mm",
	.init = mm_test_init,
	.exit = mm_test_exit,
	.test_cases = mm_cases,
};

kunit_test_suite(mm_suite);
