// Presets by name. They are a namespace and not an object, so that a bundle with a dense one holds no convolutions.
export { classic, mlp } from './dense-presets.ts';
export { cnn, resnet20 } from './image-presets.ts';
