// Containers as they are asked for: the view that the API shows of one, and Docker's filters over many. Reads records
// and the live state of sandboxes. It must not change anything, nor know the JSON of the API: api/ encodes the view.
// Texts of wrong filters are Docker's.
export * from './filter.ts';
export * from './view.ts';
