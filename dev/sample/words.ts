/** The vocabulary of the sample: what such exports hold, in the many spellings that they hold it in. */

type Words = readonly [string, ...string[]];

/** A region as the dataset stores it, as exporters spell it, its counties, and a corner and size in degrees. */
export interface Region {
  readonly spellings: Words;
  readonly counties: Words;
  readonly south: number;
  readonly west: number;
}

export const REGIONS: readonly [Region, ...Region[]] = [
  {
    spellings: ['Nairobi', 'Nairobi', 'NAIROBI', 'nairobi', ' Nairobi ', 'Nairobi Metro'],
    counties: ['Nairobi City'],
    south: -1.4,
    west: 36.7,
  },
  {
    spellings: ['Coast', 'Coast', 'COAST', 'coast ', 'Coast'],
    counties: ['Mombasa', 'Kilifi', 'Kwale', 'Lamu', 'Taita-Taveta', 'Tana River'],
    south: -4.6,
    west: 39.2,
  },
  {
    spellings: ['Central', 'CENTRAL', 'central', 'Central'],
    counties: ['Kiambu', "Murang'a", 'Nyeri', 'Kirinyaga', 'Nyandarua'],
    south: -1.1,
    west: 36.6,
  },
  {
    spellings: ['Eastern', 'EASTERN', 'eastern', 'Eastern', 'Eastern'],
    counties: ['Embu', 'Meru', 'Machakos', 'Makueni', 'Kitui', 'Tharaka-Nithi', 'Isiolo', 'Marsabit'],
    south: -2.3,
    west: 37.3,
  },
  {
    spellings: ['North Eastern', 'NORTH EASTERN', 'North  Eastern', 'north eastern', ' North Eastern'],
    counties: ['Garissa', 'Wajir', 'Mandera'],
    south: 0.4,
    west: 39.6,
  },
  {
    spellings: ['Nyanza', 'NYANZA', 'nyanza', 'Nyanza'],
    counties: ['Kisumu', 'Siaya', 'Homa Bay', 'Migori', 'Kisii', 'Nyamira'],
    south: -1.0,
    west: 34.2,
  },
  {
    spellings: ['Rift Valley', 'RIFT VALLEY', 'Rift valley', 'rift  valley', 'Rift Valley ', 'Rift Valley'],
    counties: ['Nakuru', 'Uasin Gishu', 'Kericho', 'Bomet', 'Narok', 'Kajiado', 'Baringo', 'Turkana'],
    south: -0.8,
    west: 35.2,
  },
  {
    spellings: ['Western', 'WESTERN', 'western', 'Western'],
    counties: ['Kakamega', 'Bungoma', 'Busia', 'Vihiga'],
    south: 0.1,
    west: 34.2,
  },
];

/** How far a region reaches north and east of its corner, degrees. */
export const REGION_DEGREES = 0.8;

export const STATUS = {
  open: ['Open', 'OPEN', 'open', 'Assigned', 'ASSIGNED', 'assigned'],
  working: ['In Progress', 'IN PROGRESS', 'in_progress', 'In-Progress', 'In  Progress', 'Assigned'],
  waiting: ['Pending', 'PENDING', 'On Hold', 'on_hold', 'On-Hold', 'ON HOLD', 'pending'],
  resolved: ['Resolved', 'RESOLVED', 'resolved', 'Resolved '],
  closed: ['Closed', 'CLOSED', 'closed', 'Closed', ' Closed'],
  cancelled: ['Cancelled', 'CANCELLED', 'cancelled', 'Canceled'],
} as const satisfies Record<string, Words>;

export const PRIORITIES: Words = [
  'P1',
  'P2',
  'P2',
  'P3',
  'P3',
  'P3',
  'P3',
  'P4',
  'P4',
  'Critical',
  'Low',
  '',
];
export const SEVERITIES: Words = ['1 - Critical', '2 - Major', '3 - Minor', '3 - Minor', '4 - Warning', ''];

export interface Category {
  readonly name: string;
  readonly kinds: Words;
}

export const CATEGORIES: readonly [Category, ...Category[]] = [
  { name: 'Power', kinds: ['Mains failure', 'Rectifier', 'Generator', 'Battery', 'Fuel low'] },
  { name: 'Transmission', kinds: ['Fibre cut', 'Microwave link', 'Router', 'Packet loss', ''] },
  { name: 'Radio', kinds: ['Cell down', 'VSWR', 'Sleeping cell', 'Interference', 'Antenna, tilt'] },
  { name: 'Core', kinds: ['HLR/HSS', 'MSC', 'PGW', 'Signalling'] },
  { name: 'Customer', kinds: ['No service', 'Slow data', 'Dropped calls', 'Billing, prepaid'] },
  { name: 'Facilities', kinds: ['Air conditioning', 'Theft & vandalism', 'Access', 'Tower light'] },
];

export const TECHNOLOGIES: Words = ['2G', '3G', '4G', '4G', '4G', '5G', '2G/3G/4G', 'FTTH', 'Microwave', ''];
export const VENDORS: Words = [
  'Huawei',
  'Nokia',
  'Ericsson',
  'ZTE',
  'Ceragon',
  'Huawei Technologies Co., Ltd',
  '',
];
export const GROUPS: Words = [
  'NOC L1',
  'NOC L2',
  'Field Ops - Coast',
  'Field Ops - Rift',
  'Power & Civil',
  'TX Planning, Fibre',
  'Core Operations',
  'Customer Experience',
];
export const PEOPLE: Words = [
  'Achieng Otieno',
  'Wanjiku Kamau',
  'Kiprop, Daniel',
  'Fatuma Abdi',
  'Mutua Mwangi',
  'Joyce Njeri',
  'Hassan Ali',
  'Renée Müller',
  'Peter "Pato" Odhiambo',
  '\\N',
  '',
  '',
];
export const SITES: Words = [
  'Hill',
  'Market',
  'Junction',
  'Mission',
  'Airport',
  'Estate',
  'Road, Phase 2',
  'Girls School',
  'Tea Factory',
  'Beach',
];
export const CAUSES: Words = [
  'Mains failure, generator did not start',
  'Fibre cut by road works',
  'Faulty "RRU" on sector 2',
  'Fuel theft',
  'Configuration error after change',
  'Licence expired',
  'Under investigation',
  'Not found',
];

/** First halves of titles; the site follows. */
export const TITLES: Words = [
  'Site down',
  'Cell unavailable',
  'Degraded throughput',
  'Link flapping, errors on port 3',
  'Mains failure alarm',
  'Customers report "no signal"',
  'High temperature ⚠️',
  'Loss of redundancy',
  'Battery discharge > 60 min',
  'Hakuna mtandao',
];

/** Sentences of descriptions. Some carry what breaks a careless reader: quotes, commas, newlines, backslashes, tabs. */
export const SENTENCES: Words = [
  'Alarm received from the element manager and confirmed by the shift.',
  'Customer says "no signal since 06:00", three neighbours as well.',
  'Site unreachable from both routers, last seen before the outage.',
  'Field team dispatched, ETA 2 h, road is bad after the rain.',
  'Steps taken:\n1) remote reset\n2) lock, unlock\n3) escalated to L2',
  'Fuel level 12%, generator hours 8,410.',
  'Hakuna mtandao tangu asubuhi, wateja wanalalamika.',
  'Traffic rerouted over the protection path; no impact at present.',
  'Vendor ticket opened, reference in the attachment.',
  'Log kept under D:\\logs\\bts\\new\\trace.txt on the jump host.',
  'Température du site élevée, climatisation arrêtée.',
  'Waiting for access: the key is with the landlord ("Mzee").',
  'Measured:\tRSL -61 dBm\tBER 1E-6',
  'Restored 🎉, monitoring for 24 h before closing.',
  'Second occurrence this month, see the problem record.',
  'Checked on site:\r\nbreaker tripped, reset, all sectors on air.',
  'Planned work was not announced to the NOC.',
  'Impact: 3 cells, about 1,200 subscribers.',
];

export const FLAGS = {
  true: ['true', 'true', 'TRUE', 't', '1', 'yes', 'Yes'],
  false: ['false', 'false', 'FALSE', 'f', '0', 'no', 'No', ''],
} as const satisfies Record<string, Words>;
