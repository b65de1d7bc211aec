// The network's parameters, counted term by term: a row for each layer, and the sum.
import * as store from '../page/store.ts';
import { bytesText, count, widthsText } from '../ui/format.ts';
import { Note } from '../ui/kit.tsx';

/** The parameters layer by layer; computed here by the same sum until the engine has counted them. */
export function Parameters() {
  const widths = [784, ...store.config.value.hidden, 10];
  const layers =
    store.network.value?.layers ??
    widths.slice(1).map((outputs, i) => {
      const inputs = widths[i]!;
      return { name: `layer ${i + 1}`, inputs, outputs, parameters: inputs * outputs + outputs };
    });
  const total = layers.reduce((sum, { parameters }) => sum + parameters, 0);
  return (
    <div class="parameters">
      <h3>Parameters</h3>
      <p>
        <b>{widthsText(widths.slice(1, -1))}</b>: a weight for each pair of units, and a bias for each unit that is
        computed.
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">Layer</th>
            <th scope="col">Weights + biases</th>
            <th scope="col" class="parameters-number">
              Parameters
            </th>
          </tr>
        </thead>
        <tbody>
          {layers.map(({ name, inputs, outputs, parameters }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>
                {count(inputs)} × {count(outputs)} + {count(outputs)}
              </td>
              <td class="parameters-number">{count(parameters)}</td>
            </tr>
          ))}
          <tr>
            <th scope="row">All</th>
            <td>{bytesText(4 * total)} of 32-bit numbers</td>
            <td class="parameters-number">
              <b data-testid="parameters">{count(total)}</b>
            </td>
          </tr>
        </tbody>
      </table>
      {total > 5e6 && (
        <Note level="info">A network of this size does not learn these digits better, only more slowly.</Note>
      )}
    </div>
  );
}
