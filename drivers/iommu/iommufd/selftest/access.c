// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The selftest as a driver of an emulated device: an in-kernel access that a file
 * descriptor stands for, and that pins, reads and writes what user space says.
 *
 * Locks: &test_access.lock, outside all locks of iommufd.  It is held while the access
 * pins, so that the callback to let go of a range waits for pins that are being made.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "../lib/span.h"
#include "../test_hooks.h"
#include "calls.h"

/* No more than this in one go. */
#define ACCESS_MAX_LENGTH (16UL << 20)

/**
 * struct test_access - an in-kernel access
 * @access: iommufd's side of it
 * @ictx: context; @access keeps it alive
 * @ioas_id: where it was attached last, for IOVAs that name an area
 * @can_pin: made with MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES
 * @lock: protects @pins and @last_id
 * @pins: &struct test_pin
 * @last_id: ID of the last pin that was made
 */
struct test_access {
	struct iommufd_access *access;
	struct iommufd_ctx *ictx;
	u32 ioas_id;
	bool can_pin;
	struct mutex lock; /* pins */
	struct list_head pins;
	u32 last_id;
};

/**
 * struct test_pin - pages that an access has pinned
 * @item: in &test_access.pins
 * @span: range of IOVAs
 * @id: what user space knows it by
 */
struct test_pin {
	struct list_head item;
	struct iova_span span;
	u32 id;
};

static void pin_release(struct test_access *ta, struct test_pin *pin)
{
	lockdep_assert_held(&ta->lock);
	iommufd_access_unpin_pages(ta->access, pin->span.first,
				   iova_span_len(&pin->span));
	list_del(&pin->item);
	kfree(pin);
}

static void access_unmap(void *data, unsigned long iova, unsigned long length)
{
	const struct iova_span gone = { .first = iova, .last = iova + length - 1 };
	struct test_access *ta = data;
	struct test_pin *pin, *next;

	guard(mutex)(&ta->lock);
	list_for_each_entry_safe(pin, next, &ta->pins, item)
		if (iova_span_overlaps(&pin->span, &gone))
			pin_release(ta, pin);
}

static const struct iommufd_access_ops pinning_ops = {
	.needs_pin_pages = 1,
	.unmap = access_unmap,
};

static const struct iommufd_access_ops copying_ops = {};

static void access_end(struct test_access *ta)
{
	if (!ta)
		return;
	if (!IS_ERR_OR_NULL(ta->access))
		iommufd_access_destroy(ta->access);
	kfree(ta);
}

DEFINE_FREE(access_end, struct test_access *, access_end(_T))

static int access_release(struct inode *inode, struct file *file)
{
	access_end(file->private_data);
	return 0;
}

static const struct file_operations access_fops = {
	.owner = THIS_MODULE,
	.release = access_release,
};

/* The access behind a file descriptor, or NULL. */
static struct test_access *access_of(struct fd held)
{
	if (fd_empty(held) || fd_file(held)->f_op != &access_fops)
		return NULL;
	return fd_file(held)->private_data;
}

static int refuse_fd(const struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;

	return iommufd_refuse(&ucmd->ictx->log, -EBADFD, WHY_BAD_FILE,
			      "file descriptor %u is not an access", cmd->id);
}

static struct test_access *access_new(const struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	struct test_access *ta __free(access_end) = kzalloc_obj(*ta, GFP_KERNEL_ACCOUNT);
	u32 id;
	int rc;

	if (!ta)
		return ERR_PTR(-ENOMEM);
	mutex_init(&ta->lock);
	INIT_LIST_HEAD(&ta->pins);
	ta->ictx = ucmd->ictx;
	ta->ioas_id = cmd->id;
	ta->can_pin = cmd->create_access.flags &
		      MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES;
	ta->access = iommufd_access_create(ucmd->ictx,
					   ta->can_pin ? &pinning_ops : &copying_ops,
					   ta, &id);
	if (IS_ERR(ta->access))
		return ERR_CAST(ta->access);
	rc = iommufd_access_attach(ta->access, cmd->id);
	if (rc)
		return ERR_PTR(rc);
	return no_free_ptr(ta);
}

static struct file *access_open(const struct iommufd_ucmd *ucmd)
{
	struct test_access *ta = access_new(ucmd);
	struct file *file;

	if (IS_ERR(ta))
		return ERR_CAST(ta);
	file = anon_inode_getfile("[iommufd_test_access]", &access_fops, ta, O_RDWR);
	if (IS_ERR(file))
		access_end(ta);
	return file;
}

/**
 * test_create_access - IOMMU_TEST_OP_CREATE_ACCESS
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP unknown flags; -ENOENT no such IOAS; -EADDRINUSE mappings are not
 * aligned to pages; -EMFILE; -ENOMEM; -EFAULT.
 */
int test_create_access(struct iommufd_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = ucmd->cmd;
	struct file *file;
	int rc;

	if (cmd->create_access.flags & ~MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES)
		return iommufd_refuse_unknown(ucmd, "flags", cmd->create_access.flags);
	CLASS(get_unused_fd, fd)(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = access_open(ucmd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	cmd->create_access.out_access_fd = fd;
	rc = test_reply(ucmd);
	if (rc) {
		fput(file);
		return rc;
	}
	fd_install(take_fd(fd), file);
	return 0;
}

/**
 * test_access_replace_ioas - IOMMU_TEST_OP_ACCESS_REPLACE_IOAS
 * @ucmd: the call
 *
 * Return: 0; -EBADFD not an access; the errnos of iommufd_access_replace().
 */
int test_access_replace_ioas(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	struct test_access *ta;
	int rc;

	CLASS(fd, held)(cmd->id);
	ta = access_of(held);
	if (!ta)
		return refuse_fd(ucmd);
	rc = iommufd_access_replace(ta->access, cmd->access_replace_ioas.ioas_id);
	if (!rc)
		WRITE_ONCE(ta->ioas_id, cmd->access_replace_ioas.ioas_id);
	return rc;
}

static int compare_page(unsigned long addr, const struct page *want)
{
	struct page *page;
	int n;

	n = get_user_pages_fast(addr, 1, 0, &page);
	if (n != 1)
		return n < 0 ? n : -EFAULT;
	put_page(page);
	return page == want ? 0 : -EBADE;
}

static int compare_pages(unsigned long addr, struct page **pages,
			 unsigned long npages)
{
	int rc = 0;

	addr &= PAGE_MASK;
	for (unsigned long i = 0; i < npages && !rc; i++)
		rc = compare_page(addr + i * PAGE_SIZE, pages[i]);
	return rc;
}

/* What to pin, in terms of iommufd. */
struct pin_request {
	struct iova_span span;
	unsigned long uptr;
	unsigned int flags;
};

static unsigned long request_npages(const struct pin_request *rq)
{
	return (rq->span.last >> PAGE_SHIFT) - (rq->span.first >> PAGE_SHIFT) + 1;
}

/* Pin and note; returns the ID. */
static int pin_make(struct test_access *ta, const struct pin_request *rq, u32 *id)
{
	unsigned long npages = request_npages(rq);
	struct test_pin *pin __free(kfree) = kzalloc_obj(*pin, GFP_KERNEL_ACCOUNT);
	struct page **pages __free(kvfree) =
		kvcalloc(npages, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	int rc;

	if (!pin || !pages)
		return -ENOMEM;
	guard(mutex)(&ta->lock);
	rc = iommufd_access_pin_pages(ta->access, rq->span.first,
				      iova_span_len(&rq->span), pages, rq->flags);
	if (rc)
		return rc;
	pin->span = rq->span;
	pin->id = ++ta->last_id;
	list_add_tail(&pin->item, &ta->pins);
	if (rq->uptr)
		rc = compare_pages(rq->uptr, pages, npages);
	*id = pin->id;
	if (rc)
		pin_release(ta, no_free_ptr(pin));
	else
		retain_and_null_ptr(pin);
	return rc;
}

static int unpin_by_id(struct test_access *ta, u32 id)
{
	struct test_pin *pin;

	guard(mutex)(&ta->lock);
	list_for_each_entry(pin, &ta->pins, item) {
		if (pin->id == id) {
			pin_release(ta, pin);
			return 0;
		}
	}
	return -ENOENT;
}

static int check_request(const struct iommufd_ucmd *ucmd, struct test_access *ta,
			 struct pin_request *rq)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	u64 iova = cmd->access_pages.iova;
	u32 flags = cmd->access_pages.flags;

	if (flags & ~(MOCK_FLAGS_ACCESS_WRITE | MOCK_FLAGS_ACCESS_SYZ))
		return iommufd_refuse_unknown(ucmd, "flags", flags);
	if (cmd->access_pages.length > ACCESS_MAX_LENGTH)
		return -ENOMEM;
	if (!ta->can_pin)
		return -EOPNOTSUPP;
	iommufd_test_syz_conv_iova_id(ta->ictx, READ_ONCE(ta->ioas_id), &iova, &flags);
	rq->uptr = cmd->access_pages.uptr;
	rq->flags = flags & MOCK_FLAGS_ACCESS_WRITE ? IOMMUFD_ACCESS_RW_WRITE : 0;
	return iova_span_make(&rq->span, iova, cmd->access_pages.length);
}

/**
 * test_access_pages - IOMMU_TEST_OP_ACCESS_PAGES
 * @ucmd: the call
 *
 * Return: 0; -EBADFD not an access; -EOPNOTSUPP unknown flags or it cannot pin; -EBADE the
 * pages are others than expected; -ENOMEM also for more than 16 MiB; the errnos of
 * iommufd_access_pin_pages(); -EFAULT.
 */
int test_access_pages(struct iommufd_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = ucmd->cmd;
	struct test_access *ta;
	struct pin_request rq;
	u32 id;
	int rc;

	CLASS(fd, held)(cmd->id);
	ta = access_of(held);
	if (!ta)
		return refuse_fd(ucmd);
	rc = check_request(ucmd, ta, &rq);
	if (rc)
		return rc;
	rc = pin_make(ta, &rq, &id);
	if (rc)
		return rc;
	cmd->access_pages.out_access_pages_id = id;
	rc = test_reply(ucmd);
	/* It may be gone already, when the range was unmapped meanwhile. */
	if (rc)
		unpin_by_id(ta, id);
	return rc;
}

/**
 * test_destroy_access_pages - IOMMU_TEST_OP_DESTROY_ACCESS_PAGES
 * @ucmd: the call
 *
 * Return: 0; -EBADFD not an access; -ENOENT it has no such pin, or had to let it go.
 */
int test_destroy_access_pages(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	struct test_access *ta;

	CLASS(fd, held)(cmd->id);
	ta = access_of(held);
	if (!ta)
		return refuse_fd(ucmd);
	return unpin_by_id(ta, cmd->destroy_access_pages.access_pages_id);
}

static int copy_through(struct test_access *ta, unsigned long iova,
			void __user *uptr, unsigned long length, unsigned int flags)
{
	void *buffer __free(kvfree) = kvzalloc(length, GFP_KERNEL_ACCOUNT);
	int rc;

	if (!buffer)
		return -ENOMEM;
	if ((flags & IOMMUFD_ACCESS_RW_WRITE) && copy_from_user(buffer, uptr, length))
		return -EFAULT;
	rc = iommufd_access_rw(ta->access, iova, buffer, length, flags);
	if (rc)
		return rc;
	if (!(flags & IOMMUFD_ACCESS_RW_WRITE) && copy_to_user(uptr, buffer, length))
		return -EFAULT;
	return 0;
}

/**
 * test_access_rw - IOMMU_TEST_OP_ACCESS_RW
 * @ucmd: the call
 *
 * Return: 0; -EBADFD not an access; -EOPNOTSUPP unknown flags; -ENOMEM also for more than
 * 16 MiB; the errnos of iommufd_access_rw(); -EFAULT.
 */
int test_access_rw(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	u32 known = MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH |
		    MOCK_FLAGS_ACCESS_SYZ;
	u32 flags = cmd->access_rw.flags;
	u64 iova = cmd->access_rw.iova;
	struct test_access *ta;

	static_assert((int)MOCK_ACCESS_RW_WRITE == (int)IOMMUFD_ACCESS_RW_WRITE);
	static_assert((int)MOCK_ACCESS_RW_SLOW_PATH ==
		      (int)__IOMMUFD_ACCESS_RW_SLOW_PATH);

	CLASS(fd, held)(cmd->id);
	ta = access_of(held);
	if (!ta)
		return refuse_fd(ucmd);
	if (flags & ~known)
		return iommufd_refuse_unknown(ucmd, "flags", flags);
	if (cmd->access_rw.length > ACCESS_MAX_LENGTH)
		return -ENOMEM;
	iommufd_test_syz_conv_iova_id(ta->ictx, READ_ONCE(ta->ioas_id), &iova, &flags);
	if (iova > ULONG_MAX)
		return -EOVERFLOW;
	return copy_through(ta, iova, u64_to_user_ptr(cmd->access_rw.uptr),
			    cmd->access_rw.length, flags);
}
