// The data sets, as `datasets` in the package for pages: `digits` needs no network; `mnist` is fetched once and cached by the browser;
// `images` and `cifar10` read what the user chose.
export { arrayDataset as array } from './array.ts';
export { augment } from './augment.ts';
export { DEFAULT_AUGMENTATION } from './augmentation.ts';
export { cifar10, cifar100 } from './cifar-web.ts';
export { rescaled } from './dataset.ts';
export { digits } from './digits.ts';
export { images } from './images-web.ts';
export { mnist } from './mnist-web.ts';
export { preview } from './preview.ts';
export { split } from './split.ts';
