// The mode that a device will have after a reboot, on trees with the configurations that distributions have.
import { modeAfterReboot } from 'daxkind/device';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { busDevice, type Entries, hmemDevice, makeTree } from '../helpers/tree.ts';

const uuid = 'ed93e918-e165-49d8-921d-383d7b9660c5';
const owner = '/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region1/dax1.0';
const machine = (...parts: Entries[]) => ({
	root: makeTree(temporaryDirectory(), Object.assign({ ...busDevice(), [`${owner}/uuid`]: uuid }, ...parts)),
});

const rule = '/usr/lib/udev/rules.d/90-daxctl-device.rules';
const unit = '/usr/lib/systemd/system/daxdev-reconfigure@.service';
const config = '/etc/daxctl.conf.d/memory.conf';
const wanted = { [config]: `[reconfigure-device one]\nnvdimm.uuid = ${uuid}\nmode = system-ram\nonline = true` };
/** The rule as Debian 12 has it. daxctl answers it with "Unknown option". */
const debian = { [rule]: 'ACTION=="add", SUBSYSTEM=="dax",\\\n  RUN+="/usr/bin/daxctl -C $env{DEVNAME}"' };
/** The rule as newer daxctl has it: a unit of systemd does the work. */
const newer = {
	[rule]:
		'ACTION=="add", SUBSYSTEM=="dax", TAG+="systemd", ENV{SYSTEMD_WANTS}="daxdev-reconfigure@$env{DEVNAME}.service"',
	[unit]: "[Service]\nExecStart=/bin/sh -c 'exec daxctl reconfigure-device -C %I'",
};

test('without a configuration an nvdimm is devdax again', () => {
	expect(modeAfterReboot('dax1.0', machine())).toEqual({
		mode: 'devdax',
		reason: expect.stringContaining('device_dax'),
		configuration: undefined,
		applied: undefined,
		remedy: undefined,
	});
});

test('of other memory it is the kernel’s choice', () => {
	expect(modeAfterReboot('dax0.0', machine(hmemDevice()))).toMatchObject({ mode: 'unknown', configuration: undefined });
});

test.each<[string, Entries, boolean, RegExp]>([
	['is applied where the rule calls its unit', newer, true, /memory\.conf says so/],
	[
		'is not applied by Debian 12’s rule',
		debian,
		false,
		/90-daxctl-device\.rules does not call "daxctl reconfigure-device"/,
	],
	[
		'is not applied where the rule’s unit calls daxctl in another way',
		{ ...newer, [unit]: '[Service]\nExecStart=/usr/bin/daxctl -C %I' },
		false,
		/daxdev-reconfigure@\.service does not call "daxctl reconfigure-device"/,
	],
	['is not applied without a rule', {}, false, /there is no 90-daxctl-device\.rules/],
	[
		'is not applied where the rule’s unit is not there',
		{ [rule]: newer[rule]! },
		false,
		/asks for daxdev-reconfigure@\.service, which does not exist/,
	],
])('daxctl’s configuration %s', (_, parts, applied, reason) => {
	const found = modeAfterReboot('dax1.0', machine(wanted, parts));
	expect(found).toMatchObject({ mode: applied ? 'system-ram' : 'devdax', applied, configuration: config });
	expect(found.reason).toMatch(reason);
	expect(found.remedy).toBe(applied ? undefined : 'daxkind reconfigure-device --mode=system-ram --persist dax1.0');
});

test.each([
	['a comment behind the mode', 'mode = devdax ; as it was', 'devdax'],
	['another comment', 'mode = devdax # as it was', 'devdax'],
	['quotes', 'mode = "devdax"', 'devdax'],
	['names in another case', 'Mode = devdax', 'devdax'],
	['a mode that there is not', 'mode = bogus', 'unknown'],
	['no mode, which daxctl calls malformed', 'online = true', 'devdax'],
])('daxctl’s configuration with %s', (_, line, mode) => {
	const text = `[Reconfigure-Device one]\nNVDIMM.UUID = ${uuid}\n${line}`;
	const found = modeAfterReboot('dax1.0', machine({ [config]: text }, newer));
	expect(found.mode).toBe(mode);
	const inVain = modeAfterReboot('dax1.0', machine({ [config]: text }));
	expect(inVain.remedy ?? '--mode=devdax').toMatch(/--mode=(?:devdax|system-ram)\b/);
});

test('a rule that is commented out calls nothing', () => {
	const commented = { [rule]: `# ${newer[rule]}` };
	expect(modeAfterReboot('dax1.0', machine(wanted, newer, commented))).toMatchObject({
		mode: 'devdax',
		applied: false,
	});
});

test('who may not see an address is not told that a rule for it does not exist', () => {
	const entries = { ...hmemDevice(), '/etc/udev/rules.d/91-daxkind-0x100000000.rules': '' };
	delete (entries as Entries)['/sys/devices/platform/hmem.0/dax0.0/resource'];
	expect(modeAfterReboot('dax0.0', machine(entries))).toMatchObject({
		mode: 'unknown',
		reason: expect.stringContaining('only root can read the address of dax0.0'),
	});
});

test.each([
	['of another namespace', `[reconfigure-device x]\nnvdimm.uuid=${uuid.replace('e', 'f')}\nmode=system-ram`],
	['in another section', `[something x]\nnvdimm.uuid=${uuid}\nmode=system-ram`],
	['in a comment', `# [reconfigure-device x]\n# nvdimm.uuid=${uuid}`],
	['of nothing', '[reconfigure-device\n=\n[]'],
])('a configuration %s is not the device’s', (_, text) => {
	expect(modeAfterReboot('dax1.0', machine({ [config]: text }, newer))).toMatchObject({ configuration: undefined });
});

test('modeAfterReboot of a missing device is an error', () => {
	expect(() => modeAfterReboot('dax9.9', machine())).toThrow(
		expect.objectContaining({ code: 'ERR_DAXKIND_NO_DEVICE' }),
	);
});
