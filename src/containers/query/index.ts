// Containers as they are asked for: the view the API shows, and Docker's filters over it. Changes nothing.
export * from './filter.ts';
export * from './view.ts';
