/**
 * The search attributes by which a run is found in Temporal. They are optional: setting one that the server does not
 * know fails a start, or a workflow task again and again, so whoever sets them has asked the server before.
 */

/** Temporal's `IndexedValueType` of a Keyword. */
const KEYWORD = 2;

/** The dataset's name. */
export const DATASET_ATTRIBUTE = { name: 'TidemarkDataset', type: 'KEYWORD' } as const;
/** The dataset's watermark, a full key, as the run left it. */
export const WATERMARK_ATTRIBUTE = { name: 'TidemarkWatermark', type: 'KEYWORD' } as const;

/** Both, as the server's operator service wants and answers them: name to `IndexedValueType`. */
export const SEARCH_ATTRIBUTES: Readonly<Record<string, number>> = {
  [DATASET_ATTRIBUTE.name]: KEYWORD,
  [WATERMARK_ATTRIBUTE.name]: KEYWORD,
};

/** Which of them a namespace lacks, or has with another type. @param custom what the server answers */
export function missingAttributes(custom: Readonly<Record<string, unknown>> | null | undefined): string[] {
  return Object.entries(SEARCH_ATTRIBUTES)
    .filter(([name, type]) => custom?.[name] !== type)
    .map(([name]) => name);
}
