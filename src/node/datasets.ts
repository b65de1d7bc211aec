// The data sets, as `datasets` in the package for Node: `digits` needs neither network nor files; `mnist` reads a folder or the
// cache, or downloads; `images`, `cifar10` and `cifar100` read
// folders.
export { arrayDataset as array } from '../data/array.ts';
export { augment } from '../data/augment.ts';
export { DEFAULT_AUGMENTATION } from '../data/augmentation.ts';
export { rescaled } from '../data/dataset.ts';
export { digits } from '../data/digits.ts';
export { preview } from '../data/preview.ts';
export { split } from '../data/split.ts';
export { cifar10, cifar100 } from './cifar.ts';
export { images } from './images.ts';
export { mnist } from './mnist.ts';
