// SPDX-License-Identifier: GPL-2.0-only
/*
 * attestd_provider: a stand-in for the vendors' guest modules, for tests on a machine without the hardware.
 *
 * It registers a provider of the kernel's own configfs-tsm under the vendor's name, and the vendor's device,
 * and answers with a sample that it reads from /lib/firmware with the asked report data put in. Everything
 * else (locks, generations, commits, ownership, snapshots) is the kernel's. Nothing it gives is evidence.
 * spec/guest-interfaces.md sections 2, 3 and 5; spec/test-environments.md layer 3.
 */
#include <linux/delay.h>
#include <linux/firmware.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/tsm.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#define REPORT_DATA_LEN 64
#define TDREPORT_LEN 1024
#define SEV_RESPONSE_LEN 4000
#define SEV_REPORT_AT 0x20

#define TDX_GET_REPORT0 _IOC(_IOC_READ | _IOC_WRITE, 'T', 1, REPORT_DATA_LEN + TDREPORT_LEN)
#define SEV_GET_REPORT _IOC(_IOC_READ | _IOC_WRITE, 'S', 0, 32)
#define SEV_GET_DERIVED_KEY _IOC(_IOC_READ | _IOC_WRITE, 'S', 1, 32)
#define SEV_GET_EXT_REPORT _IOC(_IOC_READ | _IOC_WRITE, 'S', 2, 32)

static char *tee = "tdx";
module_param(tee, charp, 0444);
MODULE_PARM_DESC(tee, "tdx or snp");
static unsigned int delay_ms;
module_param(delay_ms, uint, 0644);
MODULE_PARM_DESC(delay_ms, "how long the host takes");
static unsigned int error;
module_param(error, uint, 0644);
MODULE_PARM_DESC(error, "errno of making a report");
static unsigned int outblob_len;
module_param(outblob_len, uint, 0644);
MODULE_PARM_DESC(outblob_len, "length of the report; 0: the sample's");

static const struct firmware *quote, *tdreport, *certs;
static struct platform_device *device;
static DEFINE_MUTEX(calls);

static bool is_tdx(void)
{
	return !strcmp(tee, "tdx");
}

static size_t report_data_at(void)
{
	return is_tdx() ? 568 : 0x50;
}

/* What was ordered, in the time that was ordered. */
static int take_time(void)
{
	if (delay_ms && msleep_interruptible(delay_ms))
		return -EINTR;
	return -(int)error;
}

static int provider_report(struct tsm_report *report, void *data)
{
	size_t len = outblob_len ? outblob_len : quote->size;
	int failed;
	u8 *made;

	if (report->desc.inblob_len != REPORT_DATA_LEN)
		return -EINVAL;
	failed = take_time();
	if (failed)
		return failed;
	made = kvzalloc(len, GFP_KERNEL);
	if (!made)
		return -ENOMEM;
	memcpy(made, quote->data, min(len, quote->size));
	if (len >= report_data_at() + REPORT_DATA_LEN)
		memcpy(made + report_data_at(), report->desc.inblob, REPORT_DATA_LEN);
	if (certs) {
		report->auxblob = kvmemdup(certs->data, certs->size, GFP_KERNEL);
		if (!report->auxblob) {
			kvfree(made);
			return -ENOMEM;
		}
		report->auxblob_len = certs->size;
	}
	report->outblob = made;
	report->outblob_len = len;
	return 0;
}

static bool attribute_visible(int n)
{
	switch (n) {
	case TSM_REPORT_GENERATION:
	case TSM_REPORT_PROVIDER:
		return true;
	case TSM_REPORT_PRIVLEVEL:
	case TSM_REPORT_PRIVLEVEL_FLOOR:
		return !is_tdx();
	default:
		return false;
	}
}

static bool blob_visible(int n)
{
	switch (n) {
	case TSM_REPORT_INBLOB:
	case TSM_REPORT_OUTBLOB:
		return true;
	case TSM_REPORT_AUXBLOB:
		return !is_tdx();
	default:
		return false;
	}
}

static struct tsm_ops provider = {
	.report_new = provider_report,
	.report_attr_visible = attribute_visible,
	.report_bin_attr_visible = blob_visible,
};

static long tdx_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	u8 __user *at = (u8 __user *)argument;
	long failed = 0;
	u8 *block;

	if (command != TDX_GET_REPORT0)
		return -ENOTTY;
	block = kzalloc(REPORT_DATA_LEN + TDREPORT_LEN, GFP_KERNEL);
	if (!block)
		return -ENOMEM;
	mutex_lock(&calls);
	failed = take_time();
	mutex_unlock(&calls);
	if (!failed && copy_from_user(block, at, REPORT_DATA_LEN))
		failed = -EFAULT;
	if (!failed) {
		memcpy(block + REPORT_DATA_LEN, tdreport->data, TDREPORT_LEN);
		memcpy(block + REPORT_DATA_LEN + 128, block, REPORT_DATA_LEN);
		if (copy_to_user(at + REPORT_DATA_LEN, block + REPORT_DATA_LEN, TDREPORT_LEN))
			failed = -EFAULT;
	}
	kfree(block);
	return failed;
}

struct sev_call {
	u8 version;
	u8 reserved[7];
	u64 request;
	u64 response;
	u64 exitinfo2;
};

static long sev_report(struct sev_call *call)
{
	u8 report_data[REPORT_DATA_LEN];
	long failed = 0;
	u8 *made;

	if (copy_from_user(report_data, u64_to_user_ptr(call->request), sizeof(report_data)))
		return -EFAULT;
	made = kzalloc(SEV_RESPONSE_LEN, GFP_KERNEL);
	if (!made)
		return -ENOMEM;
	*(__le32 *)(made + 4) = cpu_to_le32(quote->size);
	memcpy(made + SEV_REPORT_AT, quote->data, quote->size);
	memcpy(made + SEV_REPORT_AT + report_data_at(), report_data, REPORT_DATA_LEN);
	if (copy_to_user(u64_to_user_ptr(call->response), made, SEV_RESPONSE_LEN))
		failed = -EFAULT;
	kfree(made);
	call->exitinfo2 = 0;
	return failed;
}

static long sev_ext_report(struct sev_call *call)
{
	struct {
		u8 request[96];
		u64 certs_at;
		u32 certs_len;
		u32 padding;
	} request;
	size_t needs = PAGE_ALIGN(certs->size);

	if (copy_from_user(&request, u64_to_user_ptr(call->request), sizeof(request)))
		return -EFAULT;
	if (request.certs_len && request.certs_at) {
		if (!IS_ALIGNED(request.certs_len, PAGE_SIZE) || request.certs_len > SZ_16K)
			return -EINVAL;
		if (request.certs_len < needs) {
			call->exitinfo2 = 0xff | (1ULL << 32);
			request.certs_len = needs;
			if (copy_to_user(u64_to_user_ptr(call->request), &request, sizeof(request)))
				return -EFAULT;
			return -EIO;
		}
		if (copy_to_user(u64_to_user_ptr(request.certs_at), certs->data, certs->size))
			return -EFAULT;
	}
	return sev_report(call);
}

static long sev_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *at = (void __user *)argument;
	struct sev_call call;
	long failed;

	if (copy_from_user(&call, at, sizeof(call)))
		return -EFAULT;
	call.exitinfo2 = 0xff;
	if (!call.version)
		return -EINVAL;
	mutex_lock(&calls);
	failed = take_time();
	mutex_unlock(&calls);
	if (!failed)
		failed = command == SEV_GET_REPORT ? sev_report(&call) :
			 command == SEV_GET_EXT_REPORT ? sev_ext_report(&call) : -ENOTTY;
	if (copy_to_user(at, &call, sizeof(call)))
		return -EFAULT;
	return failed;
}

static const struct file_operations tdx_operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = tdx_ioctl,
};

static const struct file_operations sev_operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = sev_ioctl,
};

static struct miscdevice node = { .minor = MISC_DYNAMIC_MINOR };

static void release_samples(void)
{
	release_firmware(quote);
	release_firmware(tdreport);
	release_firmware(certs);
}

static int load_samples(void)
{
	int failed = request_firmware(&quote, is_tdx() ? "attestd-tdx-quote" : "attestd-snp-report",
				      &device->dev);

	if (!failed && is_tdx())
		failed = request_firmware(&tdreport, "attestd-tdreport", &device->dev);
	if (!failed && !is_tdx())
		failed = request_firmware(&certs, "attestd-snp-certs", &device->dev);
	if (!failed && (quote->size < 632 || (tdreport && tdreport->size != TDREPORT_LEN) ||
			(!is_tdx() && quote->size > SEV_RESPONSE_LEN - SEV_REPORT_AT)))
		failed = -EINVAL;
	return failed;
}

static int __init provider_init(void)
{
	int failed;

	if (!is_tdx() && strcmp(tee, "snp"))
		return -EINVAL;
	device = platform_device_register_simple("attestd_provider", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	failed = load_samples();
	if (failed)
		goto out_samples;
	provider.name = is_tdx() ? "tdx_guest" : "sev_guest";
	node.name = is_tdx() ? "tdx_guest" : "sev-guest";
	node.fops = is_tdx() ? &tdx_operations : &sev_operations;
	failed = tsm_register(&provider, NULL);
	if (failed)
		goto out_samples;
	failed = misc_register(&node);
	if (!failed)
		return 0;
	tsm_unregister(&provider);
out_samples:
	release_samples();
	platform_device_unregister(device);
	return failed;
}

static void __exit provider_exit(void)
{
	misc_deregister(&node);
	tsm_unregister(&provider);
	release_samples();
	platform_device_unregister(device);
}

module_init(provider_init);
module_exit(provider_exit);
MODULE_DESCRIPTION("stand-in for a confidential guest's report provider, for tests");
MODULE_LICENSE("GPL");
