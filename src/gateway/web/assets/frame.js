// Everything behind the first page.

import './rooms.js';
import './head.js';
import './talk.js';
import './composer.js';
import './people.js';
import './banner.js';
import { startNotifying } from './notify.js';
import { hasUnsent, restoreOutbox } from './outbox.js';

addEventListener('beforeunload', (event) => hasUnsent() && event.preventDefault());
startNotifying();
restoreOutbox();
