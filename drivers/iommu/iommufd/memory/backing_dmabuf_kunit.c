// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings out of a dma-buf whose exporter revokes it as vfio-pci does: told with the
 * reservation lock held when the buffer is revoked, and once more before that is lifted.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/iommufd_device_memory.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "fakes_kunit.h"
#include "origin.h"

#define BUFFER_PAGES 8UL
#define SHOW_IOVA (16UL * SZ_1M)

/* What is mapped of the buffer: begins in its third page. */
#define FIRST_PAGE 2UL
#define NPAGES 4UL

#define REVOCATIONS 3000

/**
 * struct exporter - a buffer and its exporter
 * @test: the case
 * @importer: the device that stands for iommufd
 * @dmabuf: the buffer; one reference
 * @fd: of it
 * @revoked: the buffer is not to be used; the reservation lock
 * @length: of its only piece
 * @asked: how often it was asked for its address
 * @fake: where it is shown
 * @backing: what is tested
 */
struct exporter {
	struct kunit *test;
	struct device *importer;
	struct dma_buf *dmabuf;
	int fd;
	bool revoked;
	size_t length;
	unsigned int asked;
	struct fake_domain fake;
	struct iommufd_backing *backing;
};

static int exporter_address(struct dma_buf_attachment *attach, struct phys_vec *phys)
{
	struct exporter *exporter = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	exporter->asked++;
	if (exporter->revoked)
		return -ENODEV;
	phys->paddr = PFN_PHYS(FAKE_DEVICE_PFN);
	phys->len = exporter->length;
	return 0;
}

static int exporter_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	return attach->peer2peer && dma_buf_attach_revocable(attach) ? 0 : -EOPNOTSUPP;
}

static struct sg_table *exporter_map(struct dma_buf_attachment *attach,
				     enum dma_data_direction dir)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static void exporter_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			   enum dma_data_direction dir)
{
}

static void exporter_release(struct dma_buf *dmabuf)
{
}

static const struct dma_buf_ops exporter_ops = {
	.attach = exporter_attach,
	.map_dma_buf = exporter_map,
	.unmap_dma_buf = exporter_unmap,
	.release = exporter_release,
};

static int dmabuf_init(struct kunit *test)
{
	struct exporter *exporter = kunit_kzalloc(test, sizeof(*exporter), GFP_KERNEL);
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	KUNIT_ASSERT_NOT_NULL(test, exporter);
	test->priv = exporter;
	exporter->test = test;
	exporter->length = BUFFER_PAGES * PAGE_SIZE;
	exporter->importer = kunit_device_register(test, "importer");
	KUNIT_ASSERT_FALSE(test, IS_ERR(exporter->importer));
	fake_domain_init(test, &exporter->fake, SHOW_IOVA, NPAGES, 0);
	info.ops = &exporter_ops;
	info.size = exporter->length;
	info.flags = O_RDWR | O_CLOEXEC;
	info.priv = exporter;
	exporter->dmabuf = dma_buf_export(&info);
	KUNIT_ASSERT_FALSE(test, IS_ERR(exporter->dmabuf));
	exporter->fd = dma_buf_fd(exporter->dmabuf, O_CLOEXEC);
	KUNIT_ASSERT_GE(test, exporter->fd, 0);
	kunit_activate_static_stub(test, iommufd_dmabuf_ask, exporter_address);
	return 0;
}

static struct iommufd_revocable *rev_of(struct exporter *exporter)
{
	return iommufd_revocable_of(exporter->backing);
}

/* Nobody but the descriptor has the buffer when the backing is gone. */
static void backing_end(struct exporter *exporter)
{
	struct kunit *test = exporter->test;

	iommufd_revocable_hide(rev_of(exporter), &exporter->fake.domain, SHOW_IOVA);
	KUNIT_EXPECT_TRUE(test, fake_domain_is_empty(&exporter->fake));
	iommufd_backing_put(exporter->backing);
	exporter->backing = NULL;
	KUNIT_EXPECT_EQ(test, file_count(exporter->dmabuf->file), 1);
	dma_resv_lock(exporter->dmabuf->resv, NULL);
	KUNIT_EXPECT_TRUE(test, list_empty(&exporter->dmabuf->attachments));
	dma_resv_unlock(exporter->dmabuf->resv);
}

static void dmabuf_exit(struct kunit *test)
{
	struct exporter *exporter = test->priv;

	if (exporter->backing)
		backing_end(exporter);
	close_fd(exporter->fd);
}

static struct iommufd_backing *make(struct exporter *exporter, u64 start,
				    unsigned long length)
{
	return iommufd_backing_dmabuf(exporter->importer, exporter->fd, start, length,
				      true, NULL);
}

/* Make the backing and show it whole. */
static void show_buffer(struct exporter *exporter)
{
	const struct iommufd_show_request rq = {
		.domain = &exporter->fake.domain,
		.iova = SHOW_IOVA,
		.length = NPAGES * PAGE_SIZE,
		.prot = IOMMU_READ | IOMMU_WRITE,
	};
	struct kunit *test = exporter->test;

	exporter->backing = make(exporter, FIRST_PAGE * PAGE_SIZE, rq.length);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(exporter->backing));
	disable_delayed_work_sync(&rev_of(exporter)->retry);
	KUNIT_ASSERT_EQ(test, 0, iommufd_revocable_show(rev_of(exporter), &rq, NULL));
}

static void tell(struct exporter *exporter, bool revoked)
{
	struct dma_buf *dmabuf = exporter->dmabuf;

	dma_resv_lock(dmabuf->resv, NULL);
	exporter->revoked = revoked;
	dma_buf_invalidate_mappings(dmabuf);
	dma_resv_unlock(dmabuf->resv);
}

static void lift(struct exporter *exporter)
{
	dma_resv_lock(exporter->dmabuf->resv, NULL);
	exporter->revoked = false;
	dma_resv_unlock(exporter->dmabuf->resv);
}

static void recheck(void)
{
	/* Which device the memory belongs to only the exporter knows. */
	iommufd_device_memory_recheck(NULL);
}

static void expect_shown(struct exporter *exporter)
{
	for (unsigned long i = 0; i < NPAGES; i++)
		KUNIT_EXPECT_EQ(exporter->test, exporter->fake.table[i],
				FAKE_DEVICE_PFN + FIRST_PAGE + i);
}

static void expect_hole(struct exporter *exporter)
{
	KUNIT_EXPECT_TRUE(exporter->test, fake_domain_is_empty(&exporter->fake));
}

/* Gone before the exporter goes on, and back as soon as it lifts that. */
static void revoked_and_lifted(struct kunit *test)
{
	struct exporter *exporter = test->priv;

	show_buffer(exporter);
	for (int i = 0; i < 3; i++) {
		expect_shown(exporter);
		tell(exporter, true);
		expect_hole(exporter);
		tell(exporter, true);
		lift(exporter);
		if (i & 1)
			recheck();
		else
			fake_look(rev_of(exporter));
	}
	expect_shown(exporter);
	KUNIT_EXPECT_FALSE(test, fake_is_waiting(rev_of(exporter)));
}

/* A buffer that is revoked is not asked before there is word that it comes back. */
static void not_asked_in_vain(struct kunit *test)
{
	struct exporter *exporter = test->priv;
	unsigned int asked;

	show_buffer(exporter);
	asked = exporter->asked;
	tell(exporter, true);
	KUNIT_EXPECT_TRUE(test, fake_is_waiting(rev_of(exporter)));
	recheck();
	KUNIT_EXPECT_EQ(test, asked, exporter->asked);

	/* Word, and then nothing comes of it: so often, and no more. */
	tell(exporter, true);
	recheck();
	KUNIT_EXPECT_EQ(test, ++asked, exporter->asked);
	while (rev_of(exporter)->patience) {
		fake_look(rev_of(exporter));
		KUNIT_ASSERT_LT(test, exporter->asked, asked + 100);
	}
	KUNIT_EXPECT_GE(test, exporter->asked, asked + 10);
	asked = exporter->asked;
	recheck();
	KUNIT_EXPECT_EQ(test, asked, exporter->asked);
	expect_hole(exporter);

	/* New word, new looks, and no end of them while something is missing. */
	tell(exporter, true);
	lift(exporter);
	exporter->fake.fail_always = true;
	fake_look(rev_of(exporter));
	expect_hole(exporter);
	KUNIT_EXPECT_EQ(test, rev_of(exporter)->patience, REVOCABLE_PATIENT);
	exporter->fake.fail_always = false;
	fake_look(rev_of(exporter));
	expect_shown(exporter);
}

/* What the buffer does not cover, or what is not a buffer, is refused. */
static void refused(struct kunit *test)
{
	struct exporter *exporter = test->priv;
	const u64 size = BUFFER_PAGES * PAGE_SIZE;

	KUNIT_EXPECT_PTR_EQ(test, make(exporter, size, 1), ERR_PTR(-EINVAL));
	KUNIT_EXPECT_PTR_EQ(test, make(exporter, 1, size), ERR_PTR(-EINVAL));
	KUNIT_EXPECT_PTR_EQ(test, make(exporter, -PAGE_SIZE, 2 * PAGE_SIZE),
			    ERR_PTR(-EOVERFLOW));
	KUNIT_EXPECT_NULL(test, iommufd_backing_dmabuf(exporter->importer, -1, 0, 1, true,
						       NULL));
	/* The exporter's piece is shorter than the buffer. */
	exporter->length -= PAGE_SIZE;
	KUNIT_EXPECT_PTR_EQ(test, make(exporter, PAGE_SIZE, size - PAGE_SIZE),
			    ERR_PTR(-EOPNOTSUPP));
	exporter->length += PAGE_SIZE;
	exporter->revoked = true;
	KUNIT_EXPECT_PTR_EQ(test, make(exporter, 0, size), ERR_PTR(-ENODEV));
	exporter->revoked = false;
	KUNIT_EXPECT_EQ(test, file_count(exporter->dmabuf->file), 1);
	show_buffer(exporter);
	expect_shown(exporter);
}

/* The backing outlives the descriptor. */
static void descriptor_closed(struct kunit *test)
{
	struct exporter *exporter = test->priv;

	show_buffer(exporter);
	get_dma_buf(exporter->dmabuf);
	close_fd(exporter->fd);
	tell(exporter, true);
	expect_hole(exporter);
	tell(exporter, true);
	lift(exporter);
	fake_look(rev_of(exporter));
	expect_shown(exporter);
	exporter->fd = dma_buf_fd(exporter->dmabuf, O_CLOEXEC);
	KUNIT_ASSERT_GE(test, exporter->fd, 0);
}

/* The buffer goes and comes all the time; does anybody see it while it is revoked? */
struct revoker {
	struct exporter *exporter;
	struct completion done;
	unsigned int stale;
};

static int revoke_and_lift(void *data)
{
	struct revoker *revoker = data;
	struct exporter *exporter = revoker->exporter;

	for (unsigned int i = 0; i < REVOCATIONS; i++) {
		tell(exporter, true);
		scoped_guard(mutex, &rev_of(exporter)->lock)
			revoker->stale += !fake_domain_is_empty(&exporter->fake);
		cond_resched();
		lift(exporter);
		cond_resched();
	}
	complete(&revoker->done);
	return 0;
}

static void revoked_while_looking(struct kunit *test)
{
	struct revoker revoker = { .exporter = test->priv };
	struct task_struct *task;

	show_buffer(revoker.exporter);
	init_completion(&revoker.done);
	task = kthread_run(revoke_and_lift, &revoker, "dmabuf-revoke");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	while (!completion_done(&revoker.done)) {
		iommufd_revocable_find(rev_of(revoker.exporter), NULL);
		cond_resched();
	}
	wait_for_completion(&revoker.done);
	KUNIT_EXPECT_EQ(test, revoker.stale, 0);
	KUNIT_EXPECT_EQ(test, 0, iommufd_revocable_find(rev_of(revoker.exporter), NULL));
	expect_shown(revoker.exporter);
}

static struct kunit_case dmabuf_cases[] = {
	KUNIT_CASE(revoked_and_lifted),
	KUNIT_CASE(not_asked_in_vain),
	KUNIT_CASE(refused),
	KUNIT_CASE(descriptor_closed),
	KUNIT_CASE(revoked_while_looking),
	{}
};

static struct kunit_suite dmabuf_suite = {
	.name = "iommufd_backing_dmabuf",
	.init = dmabuf_init,
	.exit = dmabuf_exit,
	.test_cases = dmabuf_cases,
};

kunit_test_suite(dmabuf_suite);
