import * as v from 'valibot';

// Go clients send null for whatever they leave empty, so every member takes it.
export const text = v.nullish(v.string(), '');
export const optionalText = v.nullish(v.string());
export const flag = v.nullish(v.boolean(), false);
export const optionalFlag = v.nullish(v.boolean());
const integer = v.pipe(v.number(), v.safeInteger());
export const count = v.nullish(integer, 0);
export const optionalCount = v.nullish(integer);
export const texts = v.nullish(v.array(v.string()), []);
export const textMap = v.nullish(v.record(v.string(), v.string()), {});
/** Go's sets: `{"80/tcp":{}}`. */
export const textSet = v.nullish(v.record(v.string(), v.unknown()), {});
/** One string or a list of them. */
export const words = v.nullish(
  v.union([
    v.array(v.string()),
    v.pipe(
      v.string(),
      v.transform((one) => [one]),
    ),
  ]),
);
