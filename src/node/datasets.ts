// The data sets, as `datasets` in the package for Node: `digits` needs neither network nor files; `mnist` reads a folder or the
// cache, or downloads.
export { arrayDataset as array, rescaled, split } from '../data/dataset.ts';
export { digits } from '../data/digits.ts';
export { mnist } from './mnist.ts';
